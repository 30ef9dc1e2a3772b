// The laser's state in words: what it permits, its chain, what asks for action, session, values and health.

import { $, el, facts, number, put, rebuild } from "./dom.js";
import { span } from "./fleet.js";
import { since } from "./picture.js";
import { book, limit, plain, t } from "./words.js";

const TONES = { standby: "good", arming: "warn", calibrating: "warn", ready: "warn", emitting: "emit", fault: "bad", unknown: "bad" };

const FRESH_S = 1.5;
const CLOCKS_S = 5;

export class Live {
  // `acts.acknowledge(latch)` and `acts.resolve()` are what can be done about what needs attention.
  constructor(picture, acts) {
    this.picture = picture;
    this.acts = acts;
  }

  draw() {
    this.device();
    this.state();
    this.chain();
    this.attention();
    this.session();
    this.values();
    this.log();
  }

  device() {
    const device = this.picture.status?.device;
    const text = device ? `${device.model} ${device.serial}, firmware ${device.firmware}` : t("no_laser");
    rebuild($("device"), [text, device?.simulated], () => [text, device?.simulated ? el("b", {}, t("simulated")) : ""]);
  }

  state() {
    const { laser, state } = this.picture;
    const known = book().states[state];
    put($("state-name"), known?.name ?? (laser ? plain(state).toUpperCase() : t("state.unknown")));
    put($("state-permits"), known?.permits ?? t("state.meaning"));
    $("state").dataset.tone = known ? TONES[state] ?? "" : "bad";
    const off = (value) => (value === true ? t("on") : value === false ? t("off") : t("unknown"));
    facts($("state-facts"), laser === null ? [] : [
      [t("foot"), plain(laser.foot), laser.foot === "disagrees"],
      [t("shutter"), plain(laser.shutter), laser.shutter === "contradiction"],
      [t("indicator"), off(laser.indicator_on)],
      [t("aiming"), off(laser.aiming_on)],
      [t("beam"), `${laser.wavelength_nm} nm, ${plain(laser.handpiece)}, ${laser.spot_mm} mm`],
    ]);
  }

  chain() {
    const lamps = this.picture.lamps();
    rebuild($("lamps"), lamps, () => lamps.map((lamp) => el("li",
      { className: `lamp ${lamp.state}${lamp.first ? " first" : ""}`, title: lamp.meaning },
      el("b", {}, `${{ closed: "\u25cf", open: "\u2716", unknown: "?" }[lamp.state]} ${lamp.name}`),
      t(`lamp.${lamp.state}`), lamp.first ? el("em", {}, t("lamp.first")) : null)));
  }

  // What somebody has to act on, the worst first: [tone, text, act].
  needs() {
    const { laser, supervisor, status, state } = this.picture;
    if (status === null) return [];
    const found = [];
    if (laser && laser.first_fault !== "none") {
      const fault = book().faults[laser.first_fault];
      found.push(["bad", t("attention.fault", fault?.text ?? plain(laser.first_fault), fault?.action ?? "")]);
    }
    for (const one of status.uncertain ?? []) found.push(["bad", t("attention.uncertain", one.kind, one.id, one.text), { resolve: true }]);
    for (const latch of supervisor.latches ?? []) {
      const still = latch.cause_present ? `; ${t("attention.cause")}` : "";
      found.push(["bad", t("attention.latch", plain(latch.name), latch.instance, latch.text, latch.action) + still, { latch }]);
    }
    if (status.store && !status.store.ok) found.push(["bad", t("attention.store", status.store.text)]);
    if (supervisor.heartbeat === "withheld" && laser) found.push(["bad", t("attention.heartbeat", texts(supervisor.withheld_because))]);
    if (state === "standby") for (const one of supervisor.arm_refusals ?? []) found.push(["warn", t("attention.refusal", one.text, one.action)]);
    const leftS = this.calibrationLeftS();
    if (laser && !laser.calibrated) found.push(["warn", t("attention.uncalibrated")]);
    else if (leftS !== null && leftS < limit("calibration_notice_s")) found.push(["warn", t("attention.calibration", Math.max(0, Math.floor(leftS / 60)))]);
    for (const one of status.proof_tests?.inputs ?? [])
      if (["due", "overdue"].includes(one.standing)) found.push(["warn", t("attention.proof", one.standing, one.text, one.action)]);
    for (const one of status.people?.lacking ?? []) found.push(["warn", t("attention.people", one)]);
    for (const one of status.people?.training ?? []) found.push(["warn", t("attention.training", one.text)]);
    return found;
  }

  attention() {
    const needs = this.needs();
    $("attention").hidden = needs.length === 0;
    rebuild($("attention-list"), [needs, this.acts.may()], () => needs.map(([tone, text, act]) => el("li", { className: tone }, el("span", {}, text), this.button(act))));
  }

  button(act) {
    if (act === undefined) return null;
    const key = act.latch ? `${act.latch.name}#${act.latch.instance}` : "resolve";
    const onclick = () => (act.latch ? this.acts.acknowledge(act.latch) : this.acts.resolve());
    const button = el("button", { type: "button", disabled: !this.acts.may(), onclick }, t(act.latch ? "ack" : "resolve"));
    button.dataset.key = key;
    return button;
  }

  session() {
    const { session, laser, notOut } = this.picture;
    const marks = session === null ? [] : [
      session.rehearsal && t("session.rehearsal"), session.service && t("session.service"),
      session.trigger === "internal" && t("session.internal"),
    ].filter(Boolean);
    put($("session-what"), session === null ? t("session.none") : [`${session.name}: ${plain(session.state)}`, session.operator, ...marks].filter(Boolean).join(". "));
    const series = session?.series ?? [];
    const done = session?.series_done ?? [];
    const bars = session === null ? [] : [[t("session.pulses"), session.delivered, session.planned], ...(series.length > 1 ? series.map((planned, index) => [t("session.series", index + 1), done[index] ?? 0, planned]) : [])];
    rebuild($("session-bars"), bars.map(([name, , planned]) => [name, planned]), () => bars.map(([name, , planned]) => el("div", { className: "bar" },
      el("span", {}, name), el("progress", { max: Math.max(planned, 1), ariaLabel: name }), el("span"))));
    bars.forEach(([, given, planned], index) => {
      const bar = $("session-bars").children[index];
      bar.children[1].value = Math.min(given, planned);
      put(bar.lastChild, `${given} / ${planned}`);
    });
    const rows = [];
    if (session !== null) rows.push(
      [t("session.delivered"), `${session.delivered}, ${t("session.left", session.remaining)}`],
      [t("session.unknown"), String(session.unknown), session.unknown > 0],
      [t("session.dose"), `${number(session.dose_j_cm2, 2, t("unknown"))} J/cm²`]);
    rows.push([t("session.not_out"), String(notOut)]);
    if (laser !== null) rows.push([t("session.permit"), this.permit(laser)]);
    facts($("session-facts"), rows);
  }

  permit(laser) {
    if (!laser.permit_id) return t("session.no_permit");
    const leftS = laser.permit_ends_s - laser.device_time_s;
    if (!Number.isFinite(leftS)) return t("session.permit_left_only", laser.permit_pulses_left);
    return t("session.permit_left", laser.permit_pulses_left, Math.max(0, leftS).toFixed(0));
  }

  calibrationLeftS() {
    const ends = Date.parse(this.picture.status?.device?.calibration?.expires ?? "");
    const now = Date.parse(this.picture.status?.time ?? "");
    return Number.isFinite(ends - now) ? (ends - now) / 1000 : null;
  }

  values() {
    const { status, laser } = this.picture;
    const values = status?.telemetry;
    const no = t("unknown");
    const rows = [];
    if (values) {
      const old = values.quality !== "good";
      rows.push(
        [t("values.coolant"), `${number(values.coolant_c, 1, no)} °C`, old],
        [t("values.flow"), `${number(values.flow_l_min, 1, no)} l/min`, old],
        [t("values.charge"), `${number(values.hv_v, 0, no)} V`, old],
        [t("values.simmer"), values.simmer_on ? t("on") : t("off"), old]);
      if (old) rows.push([t("values.age"), t("health.old", this.picture.ageS(values).toFixed(0)), true]);
    }
    if (laser) {
      const expires = status.device?.calibration?.expires;
      const holds = expires ? t("values.calibrated", local(expires)) : t("values.holds");
      rows.push([t("values.calibration"), laser.calibrated ? holds : t("values.not_calibrated"), !laser.calibrated]);
    }
    facts($("values-facts"), rows);
  }

  // Drawn also while nothing comes: it is what tells how old everything is.
  health() {
    const { status, supervisor } = this.picture;
    const silentS = this.picture.silentMs() / 1000;
    const ageS = this.picture.ageS();
    const rows = [[t("health.daemon"), aged("health.ago", silentS), !(silentS < FRESH_S)]];
    if (status) {
      const { link, mqtt, store, lease, clock } = status;
      const lasting = (one) => typeof one.since_s === "number" && t("health.for", span(one.since_s + since(this.picture.told) / 1000));
      rows.push([t("health.laser"), aged("health.old", ageS), !(ageS < FRESH_S)]);
      rows.push([t("health.link"), [plain(link.state), lasting(link), link.port, link.state === "up" ? "" : link.reason].filter(Boolean).join(", "), link.state !== "up"]);
      rows.push([t("health.heartbeat"), supervisor.heartbeat === "sent" ? t("health.sent") : t("health.withheld"), supervisor.heartbeat !== "sent"]);
      rows.push([t("health.broker"), [plain(mqtt.state), lasting(mqtt), mqtt.trouble].filter(Boolean).join(", "), mqtt.state === "down"]);
      rows.push([t("health.store"), store.ok ? t("health.store_ok") : store.text, !store.ok]);
      rows.push([t("health.commander"), lease?.operator ?? t("health.nobody")]);
      const differS = Math.abs(this.picture.told.wall - Date.parse(status.time)) / 1000;
      const apart = differS < FRESH_S ? t("health.clock_same") : t("health.clock_apart", differS.toFixed(0));
      rows.push([t("health.clock"), apart, !(differS <= CLOCKS_S)]);
      const known = clock?.laser_known === true;
      rows.push([t("health.laser_clock"), known ? t("health.laser_clock_known", Math.ceil(clock.laser_error_ms)) : t("unknown"), !known]);
    }
    facts($("health-facts"), rows);
  }

  log() {
    const { events, eventsHeard } = this.picture;
    rebuild($("log-list"), eventsHeard, () => (events.length === 0 ? [el("li", {}, t("log.none"))]
      : events.map((one) => el("li", { className: one.severity ?? "info" }, [`${one.severity ?? "info"}: ${one.text}`, one.actor && `(${one.actor})`].filter(Boolean).join(" ")))));
  }
}

const texts = (reasons) => (reasons ?? []).map((one) => one.text).join("; ");

// What is fresh is not counted in tenths: nobody reads them, and the page would be written anew all the time.
const aged = (key, ageS) => (!Number.isFinite(ageS) ? t("health.never") : ageS < FRESH_S ? t("health.now") : t(key, ageS.toFixed(1)));

export const local = (time) => new Date(time).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
