// Hands at a simulated laser: footswitch, contacts and faults. Shown only while the device says that it is one.

import { $, el, put } from "./dom.js";
import { t } from "./words.js";

const HANDS = [
  ["foot", "foot", ["press", "release"]], ["estop", "estop", ["press", "release"]],
  ["door", "door", ["open", "close"]], ["remote", "remote", ["open", "close"]],
  ["key", "key", ["on", "off"]],
];

export class Sim {
  constructor(asker, picture) {
    this.asker = asker;
    this.picture = picture;
    this.offered = false;
    this.asked = false;
    const rows = HANDS.map(([action, label, ways]) => this.hand(label, ways.map((way) => [way, action, { to: way }])));
    rows.push(this.hand("dock", [["in", "dock", {}], ["out", "undock", {}]]));
    $("hands").append(...rows);
    $("sim-fault").addEventListener("change", () => this.meaning());
    $("sim-inject").addEventListener("click", () => this.inject());
    $("sim-clear").addEventListener("click", async () => this.tell(t("sim.clear"), await this.asker.post("/sim/clear", {})));
  }

  hand(label, ways) {
    return el("div", { className: "hand" }, el("b", {}, t(`sim.${label}`)), ...ways.map(([way, action, body]) => {
      const what = `${t(`sim.${label}`)} ${t(`sim.${way}`)}`;
      const onclick = async () => this.tell(what, await this.asker.post(`/sim/operator/${action}`, body));
      return el("button", { type: "button", onclick, ariaLabel: what }, t(`sim.${way}`));
    }));
  }

  // The panel is there while the laser is simulated, somebody is logged in, and the daemon knows its control socket.
  async draw() {
    const may = this.picture.status?.device?.simulated === true && this.asker.csrf !== "";
    if (may && !this.asked) {
      this.asked = true;
      const { ok, told } = await this.asker.get("/sim");
      this.offered = ok;
      if (ok) this.catalogue(told.faults?.faults ?? []);
    }
    if (!may) this.asked = this.offered = false;
    $("nav").querySelector('[data-view="sim"]').hidden = !this.offered;
    if (!this.offered && !$("view-sim").hidden) $("nav").querySelector('[data-view="live"]').click();
  }

  catalogue(faults) {
    this.faults = new Map(faults.map((fault) => [fault.name, fault.meaning ?? ""]));
    $("sim-fault").replaceChildren(...faults.map(({ name }) => el("option", { value: name }, name)));
    this.meaning();
  }

  meaning() { put($("sim-meaning"), this.faults.get($("sim-fault").value) ?? ""); }

  async inject() {
    const name = $("sim-fault").value;
    let given;
    try {
      given = JSON.parse($("sim-given").value || "{}");
    } catch (error) {
      return put($("sim-told"), String(error.message));
    }
    this.tell(name, await this.asker.post(`/sim/faults/${encodeURIComponent(name)}`, given));
  }

  tell(what, { ok, status, told }) {
    put($("sim-told"), ok ? t("sim.done", what) : t("act.told", what, told.message ?? told.error ?? (status === 0 ? t("act.no_answer", "") : status)));
  }
}
