// STOP: at once on pointer-down and on Esc, without a question; says what became of it.

import { $, put } from "./dom.js";
import { limit, t } from "./words.js";

const AGAIN_MS = 300;
const TRIED_MS = 60_000;
const GIVE_WAY_MS = 400;
const SAME_PRESS_MS = 700; // the click that follows a pointer-down is the same press

export class Stop {
  // `pressed()` is told first of all, `giveWay()` when the answer is slow.
  constructor(pressed, giveWay) {
    this.pressed = pressed;
    this.giveWay = giveWay;
    this.number = 0;
    this.at = -Infinity;
    const button = $("stop");
    button.addEventListener("pointerdown", () => this.press());
    button.addEventListener("click", () => performance.now() - this.at > SAME_PRESS_MS && this.press());
    button.addEventListener("keydown", (event) => {
      if ((event.key === "Enter" || event.key === " ") && !event.repeat) this.press();
    });
    window.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || event.repeat) return;
      event.preventDefault();
      this.press();
    }, { capture: true });
  }

  async press() {
    const number = ++this.number;
    const at = (this.at = performance.now());
    const mine = () => number === this.number;
    this.show("sent", t("stop.sent"));
    this.pressed();
    const unconfirmed = setTimeout(() => mine() && this.show("not-confirmed", t("stop.not_confirmed")), limit("stop_unconfirmed_ms") ?? 1500);
    const slow = setTimeout(this.giveWay, GIVE_WAY_MS);
    try {
      let trouble = "";
      while (mine() && performance.now() - at < TRIED_MS) {
        try {
          const answer = await fetch("/stop", { method: "POST", keepalive: true });
          const told = await answer.json();
          if (answer.ok && told.confirmed === true) return mine() ? this.confirmed(performance.now() - at) : undefined;
          trouble = told.text ?? told.message ?? "";
        } catch (error) {
          trouble = String(error.message ?? error);
        }
        if (mine()) this.show("not-confirmed", `${t("stop.not_confirmed")}. ${trouble}`);
        await new Promise((done) => setTimeout(done, AGAIN_MS));
      }
    } finally {
      clearTimeout(unconfirmed);
      clearTimeout(slow);
    }
  }

  confirmed(tookMs) {
    const late = tookMs > (limit("stop_unconfirmed_ms") ?? 1500);
    this.show(late ? "sent" : "confirmed", t(late ? "stop.late" : "stop.confirmed", Math.round(tookMs)));
  }

  show(kind, text) {
    const told = $("stop-told");
    told.className = kind;
    put(told, text);
  }
}
