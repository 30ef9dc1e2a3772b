// What is known of the laser and how old that is. Unknown is not good: whatever is missing counts as stale.

import { book, limit, t } from "./words.js";

export class Picture {
  constructor() {
    this.status = null;
    this.pulses = []; // oldest first
    this.events = []; // newest first
    this.eventsHeard = 0;
    this.notOut = 0;
    this.lost = null; // why the stream ended, while it is away
    this.heard = null;
    this.told = null;
    this.quickest = Infinity;
    this.lateMs = 0;
  }

  apply(kind, data) {
    this.heard = moment();
    this.lost = null;
    if (kind === "status") {
      this.status = data;
      this.told = this.heard;
    } else if (kind === "pulse") this.pulse(data);
    else if (kind === "event") {
      this.events.unshift(data);
      this.eventsHeard += 1;
      this.events.length = Math.min(this.events.length, 100);
    } else if (kind === "gap") this.apply("event", { severity: "warning", text: data.missed === null ? t("log.restarted") : t("log.missed", data.missed) });
    else if (kind === "beat") this.beat(data);
  }

  pulse(pulse) {
    const last = this.pulses.at(-1);
    if (last && last.device_serial === pulse.device_serial && pulse.pulse_number <= last.pulse_number) return; // told before
    this.pulses.push(pulse);
    if (this.pulses.length > limit("pulses_kept")) this.pulses.shift();
    if (!pulse.aperture && !pulse.unknown) this.notOut += 1;
  }

  // What piles up on the way is old though it has just come: the quickest beat tells how the clocks stand.
  beat(data) {
    const way = Date.now() - Date.parse(data.time);
    if (!Number.isFinite(way)) return;
    this.quickest = Math.min(this.quickest, way);
    this.lateMs = way - this.quickest;
  }

  newLine() {
    this.quickest = Infinity;
    this.lateMs = 0;
  }

  get laser() { return this.status?.laser ?? null; }
  get supervisor() { return this.status?.supervisor ?? {}; }
  get session() { return this.status?.session ?? null; }
  get state() { return this.laser?.state ?? "unknown"; }

  silentMs() { return since(this.heard); }

  // Age of what is shown of the laser: as old as it was when told, and since.
  ageS(aged = this.laser) {
    const age = aged?.age_s;
    return (typeof age === "number" ? age : Infinity) + (since(this.told) + this.lateMs) / 1000;
  }

  // Why what is shown must not be believed; empty when it may.
  stale() {
    if (this.lost !== null) return this.lost || t("stale.lost");
    if (this.heard === null || this.told === null) return t("stale.never");
    const silent = Math.max(this.silentMs(), since(this.told)) + this.lateMs;
    if (!(silent <= limit("silent_ms"))) return t("stale.silent", (silent / 1000).toFixed(1));
    if (this.laser === null) return t("stale.nothing");
    const age = this.ageS();
    if (this.laser.quality !== "good" || !(age * 1000 <= limit("silent_ms"))) return t("stale.laser", Number.isFinite(age) ? age.toFixed(1) : "?");
    return "";
  }

  // The chain in its order; first cause is what the latched fault names, else the first that is open.
  lamps() {
    const open = new Set(this.laser?.open_interlocks ?? []);
    const chain = book().interlocks;
    const fault = this.laser?.first_fault ?? "none";
    const first = (fault !== "none" && chain.find((one) => one.fault === fault)) || chain.find((one) => open.has(one.key));
    return chain.map((one) => ({
      ...one,
      state: this.laser === null ? "unknown" : open.has(one.key) ? "open" : "closed",
      first: this.laser !== null && one === first,
    }));
  }
}

// Both clocks of the browser: one stands still while the machine sleeps, the other may be set.
function moment() { return { mono: performance.now(), wall: Date.now() }; }

export function since(then) {
  if (then === null) return Infinity;
  return Math.max(performance.now() - then.mono, Date.now() - then.wall);
}

export const judged = (pulse) => !flags(pulse).some((flag) => book().unjudged.includes(flag));

export function flags(pulse) {
  const told = pulse.flags ?? [];
  return (typeof told === "string" ? told.split(",") : [...told]).sort();
}

const around = (middle, percent) => [middle * (100 - percent) / 100, middle * (100 + percent) / 100];

export const energyWindow = (pulse) => (judged(pulse) ? around(pulse.set_energy_mj, limit("energy_percent")) : null);

export function widthWindow(pulse) {
  if (!judged(pulse)) return null;
  const [low, high] = around(pulse.mode_width_ps, limit("width_percent"));
  return [Math.max(low, limit("width_low_ps")), Math.min(high, limit("width_high_ps"))];
}
