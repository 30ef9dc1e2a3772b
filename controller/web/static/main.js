// The page: puts its parts together, and draws when there is news or when what is shown has grown old.

import { $, put } from "./dom.js";
import { limit, load, t } from "./words.js";
import { Asker, tell } from "./asking.js";
import { Charts } from "./charts.js";
import { Effects, Subject } from "./effects.js";
import { Events } from "./events.js";
import { Fleet } from "./fleet.js";
import { History } from "./history.js";
import { Hold } from "./hold.js";
import { Live } from "./live.js";
import { Me } from "./login.js";
import { Picture } from "./picture.js";
import { Plan } from "./plan.js";
import { Sim } from "./sim.js";
import { Stop } from "./stop.js";

const LOOK_MS = 100; // how often the age of what is shown is judged
const DRAW_MS = 200; // what is read; another state and a pulse are drawn at once
const HEALTH_MS = 500;
const AGAIN_MS = 1000;

const picture = new Picture();
const asker = new Asker();
let hold = null;
let events = null;

// STOP is there before anything else, and needs nothing of it.
new Stop(() => hold?.cancel(), () => events?.giveWay());

async function begin() {
  for (;;) {
    try {
      await load();
      break;
    } catch (error) {
      $("stale").hidden = false;
      put($("stale-why"), String(error.message));
      await new Promise((done) => setTimeout(done, AGAIN_MS));
    }
  }
  new Page().run();
}

class Page {
  constructor() {
    this.shownStale = undefined;
    this.later = null;
    this.drawnAt = -Infinity;
    this.stateDrawn = null;
    this.healthAt = -Infinity;
    this.live = new Live(picture, { may: () => this.mayAct(), acknowledge: (latch) => this.acknowledge(latch), resolve: () => this.act(t("resolve"), "resolve", {}) });
    this.charts = new Charts(picture);
    this.plan = new Plan(asker, new Subject(asker));
    this.history = new History(asker, new Effects(asker));
    this.fleet = new Fleet(asker, picture);
    this.sim = new Sim(asker, picture);
    this.me = new Me(asker, () => this.draw());
    hold = new Hold($("arm"), limit("hold_ms"), {
      allowed: () => this.armWhy() === "",
      begun: () => put($("arm-word"), t("arm.holding")),
      letGo: () => { put($("arm-word"), t("arm")); put($("act-told"), t("arm.let_go")); },
      done: () => { put($("arm-word"), t("arm")); this.act("ARM", "arm"); },
    });
    $("standby").addEventListener("click", () => this.act(t("standby"), "standby"));
    $("calibrate").addEventListener("click", () => this.act(t("calibrate"), "calibrate"));
    $("aiming").addEventListener("click", () => {
      const on = picture.laser?.aiming_on !== true;
      this.act(t(on ? "aiming.on" : "aiming.off"), "aiming", { on });
    });
    for (const button of $("nav").children) button.addEventListener("click", () => this.view(button.dataset.view));
  }

  run() {
    events = new Events(
      () => picture.newLine(),
      (kind, data) => this.hear(kind, data),
      (why) => { picture.lost = why; this.soon(); },
    );
    events.open();
    setInterval(() => this.look(), LOOK_MS);
    document.addEventListener("visibilitychange", () => this.look());
    this.me.look();
    this.draw();
  }

  // A pulse stands in the table at once: the status that it changes has come, and been drawn, just before it.
  hear(kind, data) {
    picture.apply(kind, data);
    if (kind === "pulse") this.charts.table(picture.pulses);
    if (picture.state !== this.stateDrawn) this.draw();
    else if (kind !== "beat" && kind !== "telemetry") this.soon(); // of these two nothing is drawn
  }

  // The first news is drawn at once, what follows hard on it together.
  soon() {
    this.later ??= setTimeout(() => this.draw(), Math.max(0, this.drawnAt + DRAW_MS - performance.now()));
  }

  draw() {
    clearTimeout(this.later);
    this.later = null;
    this.drawnAt = performance.now();
    this.stateDrawn = picture.state;
    this.live.draw();
    this.charts.draw();
    this.sim.draw();
    this.fleet.offer();
    this.plan.mayBegin();
    this.look();
    this.acts();
  }

  look() {
    const stale = picture.stale();
    put($("stale-why"), stale && `${stale}.`);
    if ((stale !== "") !== this.shownStale) {
      this.shownStale = stale !== "";
      $("stale").hidden = !this.shownStale;
      document.body.classList.toggle("is-stale", this.shownStale);
      $("view-live").dataset.stale = t("stale");
      document.title = this.shownStale ? `${t("stale")}: ${t("title")}` : t("title");
      if (this.shownStale) hold?.cancel();
      this.acts();
    }
    if (performance.now() - this.healthAt >= HEALTH_MS) {
      this.healthAt = performance.now();
      this.live.health();
    }
  }

  mayAct() { return asker.csrf !== ""; }

  armWhy() {
    if (!this.mayAct()) return t("login.needed");
    if (picture.stale() !== "") return t("stale.act");
    if (picture.state !== "standby") return t("arm.state", picture.state);
    return (picture.supervisor.arm_refusals ?? []).map((one) => one.text).join("; ");
  }

  acts() {
    const why = this.armWhy();
    $("arm").disabled = why !== "";
    put($("arm-why"), why && t("arm.no", why));
    for (const name of ["standby", "calibrate", "aiming"]) $(name).disabled = !this.mayAct();
    put($("aiming"), t(picture.laser?.aiming_on ? "aiming.off" : "aiming.on"));
  }

  async act(what, name, body) {
    put($("act-told"), t("act.asking", what));
    $("act-reasons").replaceChildren();
    tell(what, await asker.post(`/act/${name}`, body), $("act-told"), $("act-reasons"));
  }

  acknowledge({ name, instance }) { return this.act(t("ack"), "ack", { latches: [{ name, instance }] }); }

  view(name) {
    for (const button of $("nav").children) {
      const here = button.dataset.view === name;
      $(`view-${button.dataset.view}`).hidden = !here;
      if (here) button.setAttribute("aria-current", "page");
      else button.removeAttribute("aria-current");
    }
    if (name === "history") this.history.read();
    if (name === "fleet") this.fleet.look();
  }
}

begin();
