// What was: sessions with their plots and reports, and incidents on a time line.

import { $, el, head, put } from "./dom.js";
import { energyChart, energyData } from "./charts.js";
import { local } from "./live.js";
import { plain, t } from "./words.js";
import { tell } from "./asking.js";

export class History {
  constructor(asker, effects) {
    this.asker = asker;
    this.effects = effects;
    head($("sessions"), [t("history.when"), t("history.plan"), t("history.who"), t("history.state"), t("history.pulses"), t("history.look")]);
    $("history-refresh").addEventListener("click", () => this.read());
  }

  async read() {
    if (this.asker.csrf === "") return put($("history-told"), t("login.needed"));
    const [sessions, incidents] = await Promise.all([this.asker.get("/sessions"), this.asker.get("/incidents")]);
    const failed = [sessions, incidents].find((one) => !one.ok);
    if (failed) return tell(t("history"), failed, $("history-told"));
    put($("history-told"), sessions.told.length === 0 ? t("history.none") : "");
    $("sessions").tBodies[0].replaceChildren(...sessions.told.map((one) => this.row(one)));
    $("incidents").replaceChildren(...(incidents.told.length === 0 ? [el("li", {}, t("incidents.none"))] : incidents.told.map((one) => {
      const name = `${local(one.time)}: ${plain(one.first_cause)}`;
      return el("li", {}, el("button", { type: "button", onclick: () => this.incident(one.id, name) }, name));
    })));
  }

  row(one) {
    const unknown = one.unknown ? `, ${t("session.unknown").toLowerCase()}: ${one.unknown}` : "";
    const cells = [local(one.started), one.name, one.operator, plain(one.state), `${one.delivered} / ${one.planned}${unknown}`];
    const plot = el("button", { type: "button", onclick: () => this.plot(one), ariaLabel: `${t("history.plot")}: ${one.name}` }, t("history.plot"));
    const effects = el("button", { type: "button", onclick: () => this.effects.open(one), ariaLabel: `${t("history.effects")}: ${one.name}` }, t("history.effects"));
    const report = el("a", { href: `/sessions/${encodeURIComponent(one.id)}/report`, target: "_blank", rel: "noopener" }, t("history.report"));
    return el("tr", {}, ...cells.map((text) => el("td", {}, text)), el("td", {}, plot, " ", effects, " ", report));
  }

  async plot({ id, name }) {
    put($("history-told"), t("history.reading", name));
    const answer = await this.asker.get(`/sessions/${encodeURIComponent(id)}`);
    if (!answer.ok) return tell(name, answer, $("history-told"));
    const { pulses } = answer.told;
    put($("history-told"), pulses.length === 0 ? `${name}: ${t("pulses.none")}` : `${t("history.energy")}: ${name}`);
    if (pulses.length) energyChart($("session-plot")).setData(energyData(pulses));
    else $("session-plot").replaceChildren();
  }

  async incident(id, name) {
    put($("history-told"), t("history.reading", name));
    const answer = await this.asker.get(`/incidents/${encodeURIComponent(id)}`);
    if (!answer.ok) return tell(name, answer, $("history-told"));
    put($("history-told"), "");
    const { summary, steps } = answer.told.story;
    const first = summary.cause;
    $("incident").replaceChildren(
      el("h3", {}, name),
      el("p", {}, `${t("incidents.first")}: ${first ? `${first.text} (${first.who}, ${first.ms.toFixed(1)} ms)` : t("unknown")}`),
      el("h3", {}, t("incidents.line")),
      el("ol", { className: "timeline" }, ...steps.map((step) => el("li", { className: first && step.ms === first.ms && step.text === first.text ? "cause" : "" },
        el("time", {}, `${step.ms > 0 ? "+" : ""}${step.ms.toFixed(1)} ms`), el("span", {}, step.who), el("span", {}, step.text)))));
  }
}
