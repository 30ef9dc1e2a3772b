// All lasers of the broker: what the daemon's reader tells of them, those that ask for a look first.

import { $, el, head, put } from "./dom.js";
import { plain, t } from "./words.js";

const LOOK_MS = 2000; // as often as a new picture is made
const OLD_S = 10;
const SHOWN = 200; // nobody reads more; the filter chooses among all
const ARROWS = { rising: "\u2191", falling: "\u2193", steady: "\u2192" };

export class Fleet {
  constructor(asker, picture) {
    this.asker = asker;
    this.picture = picture;
    this.told = null;
    this.heardAt = -Infinity;
    this.trouble = "";
    this.asking = false;
    head($("lasers"), ["laser", "live", "state", "wrong", "seen", "pulses", "energy", "dropped"].map((name) => t(`fleet.${name}`)));
    for (const name of ["fleet-filter", "fleet-troubled", "fleet-order"]) $(name).addEventListener("input", () => this.draw());
    setInterval(() => this.look(), LOOK_MS);
  }

  // The way to it is there when the daemon is told to watch the fleet.
  offer() {
    const offered = this.picture.status?.web?.fleet === true;
    $("nav").querySelector('[data-view="fleet"]').hidden = !offered;
    if (!offered && !$("view-fleet").hidden && this.picture.status) $("nav").querySelector('[data-view="live"]').click();
  }

  async look() {
    if ($("view-fleet").hidden || document.hidden) return;
    if (this.asking) return this.draw(); // it grows old meanwhile
    if (this.asker.csrf === "") {
      this.told = null;
      this.trouble = t("login.needed");
      return this.draw();
    }
    this.asking = true;
    try {
      const { ok, status, told } = await this.asker.get("/fleet");
      this.trouble = ok ? told.trouble ?? told.picture?.trouble ?? "" : told.message ?? (status === 0 ? t("stale.lost") : t("fleet.none"));
      if (ok && told.picture !== null) {
        this.told = told.picture;
        this.heardAt = performance.now() - 1000 * told.age_s;
      }
    } finally {
      this.asking = false;
    }
    this.draw();
  }

  // Why what is shown is not to be relied on; empty when it may.
  old() {
    if (this.trouble) return this.trouble;
    const ageS = (performance.now() - this.heardAt) / 1000;
    return ageS < OLD_S ? "" : this.told === null ? t("fleet.none") : t("health.old", ageS.toFixed(0));
  }

  draw() {
    const old = this.old();
    $("view-fleet").classList.toggle("old", old !== "" && this.told !== null);
    put($("fleet-told"), this.told === null ? old : old && `${t("stale")}: ${old}. ${t("fleet.old")}`);
    const lasers = this.told?.lasers ?? [];
    put($("fleet-counts"), this.told === null ? "" : this.counts(this.told, lasers.length));
    const chosen = this.chosen(lasers);
    const shown = chosen.slice(0, SHOWN);
    const left = chosen.length - shown.length + (this.told?.left_out ?? 0);
    put($("fleet-left"), left > 0 ? t("fleet.left", left) : "");
    const rows = $("lasers").tBodies[0];
    while (rows.rows.length > shown.length) rows.deleteRow(-1);
    while (rows.rows.length < shown.length) rows.append(el("tr", {}, ...Array.from({ length: 8 }, () => el("td"))));
    const sinceS = (performance.now() - this.heardAt) / 1000;
    shown.forEach((one, index) => {
      const row = rows.rows[index];
      row.classList.toggle("bad", asks(one));
      cells(one, sinceS, old !== "").forEach((text, place) => put(row.cells[place], text));
    });
  }

  counts({ counts, broker, settled }, told) {
    const states = Object.entries(counts.states).map(([state, count]) => `${count} ${plain(state)}`).join(", ");
    const parts = [t("fleet.count", counts.lasers, broker), t("fleet.live_count", counts.live) + (states && ` (${states})`),
      t("fleet.not_live", counts.lasers - counts.live), t("fleet.alarms", counts.with_alarms)];
    if (counts.unreadable) parts.push(t("fleet.unreadable", counts.unreadable));
    if (counts.crowded_out) parts.push(t("fleet.crowded", counts.crowded_out));
    if (!settled) parts.push(t(told ? "fleet.settling" : "fleet.reading"));
    return `${parts.join("; ")}.`;
  }

  chosen(lasers) {
    const words = $("fleet-filter").value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    const fits = (one) => words.every((word) => `${one.site}/${one.device} ${plain(one.state)} ${wrong(one)}`.toLowerCase().includes(word));
    const found = lasers.filter((one) => (!$("fleet-troubled").checked || asks(one)) && fits(one));
    const name = (one) => `${one.site}/${one.device}`;
    return $("fleet-order").value === "name" ? found.sort((one, other) => (name(one) < name(other) ? -1 : 1)) : found;
  }
}

const asks = (one) => !one.live || one.link_up !== true || Object.keys(one.alarms).length + one.faults.length + one.latches.length > 0;

// The first cause first; an alarm's own words, else its name.
function wrong(one) {
  const alarms = Object.entries(one.alarms).map(([name, text]) => text || name.replaceAll("-", " "));
  const told = new Set(Object.keys(one.alarms).map((name) => name.replaceAll("-", "_")));
  const faults = [...one.faults, ...one.latches].filter((name) => !told.has(name)).map(plain);
  return [one.why, ...alarms, ...faults, one.link_up === false && t("fleet.deaf")].filter(Boolean).join("; ");
}

// What is old is not said to be live, whoever is to blame.
function live(one, old) {
  if (old) return `? ${t(one.live ? "fleet.was_live" : "fleet.is_not_live")}`;
  return one.live ? `\u25cf ${t("fleet.is_live")}` : `\u2716 ${t("fleet.is_not_live")}`;
}

function cells(one, sinceS, old) {
  const { energy } = one;
  const session = one.pulses_planned ? ` (${one.pulses_delivered ?? 0} / ${one.pulses_planned})` : "";
  const off = energy && `${energy.off_percent < 0 ? "" : "+"}${energy.off_percent.toFixed(1)} %`;
  return [`${one.site}/${one.device}`, live(one, old),
    (one.live && !old ? plain(one.state) : t("fleet.was", plain(one.state))) + (one.simulated ? ` (${t("simulated").toLowerCase()})` : ""),
    wrong(one), one.age_s === null ? t("health.never") : t("fleet.ago", span(one.age_s + sinceS)),
    one.pulses === null ? "" : `${one.pulses}${session}`,
    energy ? t("fleet.mean", energy.mean_mj.toFixed(1), energy.set_mj.toFixed(1), ARROWS[energy.trend] ?? "", off) : "",
    one.samples_dropped === null ? "" : String(one.samples_dropped)];
}

// A length of time in its largest unit.
export function span(seconds) {
  for (const [unit, length] of [["days", 86_400], ["h", 3600], ["min", 60]])
    if (Math.abs(seconds) >= 2 * length) return `${Math.floor(seconds / length)} ${t(`span.${unit}`)}`;
  return `${Math.floor(seconds)} ${t("span.s")}`;
}
