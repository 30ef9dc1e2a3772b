// A plan: read, checked with every refusal beside its field, confirmed in person, begun.

import { $, el, head, put } from "./dom.js";
import { book, plain, t } from "./words.js";
import { reason, tell } from "./asking.js";

export class Plan {
  constructor(asker, subject) {
    this.asker = asker;
    this.subject = subject;
    this.file = "plan";
    this.items = new Map();
    head($("plan-fields"), [t("plan.field"), t("plan.value"), t("plan.against")]);
    $("checklist").append(...book().checklist.map((item) => this.item(item.key, item.statement)),
      this.item("service", t("plan.service", book().service.join("; "))));
    $("plan-file").addEventListener("change", () => this.read());
    $("plan-text").addEventListener("input", () => { this.subject.hide(); this.mayBegin(); });
    $("plan-check").addEventListener("click", () => this.check());
    $("plan-start").addEventListener("click", () => this.begin(t("plan.start"), "/act/open", { text: $("plan-text").value, file: this.file }));
    $("plan-resume").addEventListener("click", () => this.begin(t("plan.resume"), "/act/resume", {}));
    $("plan-abandon").addEventListener("click", () => this.abandon());
  }

  item(key, statement) {
    const box = el("input", { type: "checkbox" });
    const why = el("ul", { className: "reasons" });
    this.items.set(key, { box, why });
    return el("li", {}, el("label", {}, box, el("span", {}, statement)), why);
  }

  async read() {
    const [file] = $("plan-file").files;
    if (!file) return;
    this.file = file.name;
    $("plan-text").value = await file.text();
    this.mayBegin();
    await this.check();
  }

  mayBegin() {
    const may = this.asker.csrf !== "";
    $("plan-start").disabled = !may || $("plan-text").value.trim() === "";
    $("plan-resume").disabled = !may;
    $("plan-abandon").disabled = !may;
  }

  async check() {
    const answer = await this.asker.post("/act/check", { text: $("plan-text").value, file: this.file });
    if (!answer.ok) {
      tell(t("plan.check"), answer, $("plan-told"));
      this.subject.hide();
      return this.fields({}, answer.told.problems ?? []);
    }
    const { ok, refusals, summary } = answer.told;
    put($("plan-told"), ok ? t("plan.ok") : t("plan.refused", refusals.length));
    this.fields(summary, refusals);
    await this.subject.show(summary.subject ?? "");
  }

  // A row for each field of the plan; what stands against one is beside it, the rest comes first.
  fields(summary, refusals) {
    const names = Object.keys(summary).filter((name) => summary[name] !== null);
    const of = (refusal) => names.find((name) => refusal.field === name || refusal.field.split(".").at(-1) === name);
    const rows = names.map((name) => [plain(name), shown(summary[name]), refusals.filter((one) => of(one) === name)]);
    const rest = refusals.filter((one) => of(one) === undefined).map((one) => [one.field || t("plan.general"), "", [one]]);
    const all = [...rest, ...rows.filter((row) => row[2].length), ...rows.filter((row) => !row[2].length)];
    $("plan-fields").tBodies[0].replaceChildren(...all.map(([name, value, found]) => el("tr", { className: found.length ? "bad" : "" },
      el("td", {}, name), el("td", {}, value), el("td", {}, ...found.map((one) => el("div", {}, against(one)))))));
  }

  confirmed() {
    const held = (key) => this.items.get(key).box.checked;
    const course = [...$("course-list").querySelectorAll("input:checked")].map((box) => box.name);
    return {
      eyewear_nm: Number.parseInt($("eyewear").value, 10) || 0,
      checklist: book().checklist.map((item) => item.key).filter(held),
      service: held("service"),
      course,
      ...this.second(),
    };
  }

  second() {
    const name = $("second-name").value;
    const password = $("second-password").value;
    $("second-password").value = "";
    return name && password ? { second: { name, password } } : {};
  }

  async begin(what, path, body) {
    for (const { why } of this.items.values()) why.replaceChildren();
    $("reasons-eyewear").replaceChildren();
    const answer = await this.asker.post(path, { ...body, ...this.confirmed() });
    const course = (answer.told.reasons ?? []).filter((one) => one.code?.startsWith("course."));
    const done = tell(what, answer, $("begin-told"), $("begin-reasons"), (one) => this.beside(one));
    this.ask(answer.told, course);
    if (!done) return;
    const takenBack = (answer.told.taken_back ?? []).map((one) => t("plan.taken_back", one.text));
    put($("begin-told"), [t("plan.begun", answer.told.remaining ?? answer.told.planned), ...takenBack].join(" "));
    for (const { box } of this.items.values()) box.checked = false; // each session is confirmed anew
    $("eyewear").value = "";
  }

  // What is asked for only once the daemon has asked for it: matters of a course, a second person.
  ask(told, course) {
    $("second").hidden = !String(told.error ?? "").startsWith("second");
    $("course").hidden = course.length === 0;
    $("course-list").replaceChildren(...course.map((one) => el("li", {}, el("label", {},
      el("input", { type: "checkbox", name: one.code.slice("course.".length) }), el("span", {}, `${plain(one.code.slice("course.".length))}: ${reason(one)}`)))));
  }

  beside(one) {
    const key = one.code?.startsWith("confirm.") ? one.code.slice("confirm.".length) : "";
    if (one.code?.startsWith("course.")) return true;
    const where = key === "eyewear_nm" ? $("reasons-eyewear") : this.items.get(key)?.why;
    where?.append(el("li", {}, reason(one)));
    return where !== undefined;
  }

  async abandon() {
    const answer = await this.asker.post("/act/abandon", this.second());
    this.ask(answer.told, []);
    if (tell(t("plan.abandon"), answer, $("begin-told"), $("begin-reasons"))) put($("begin-told"), t("plan.abandoned"));
  }
}

const against = (one) => [t("plan.allowed", one.allowed), one.action, one.source && `(${one.source})`].filter(Boolean).join("; ");

const shown = (value) => (typeof value === "object" ? JSON.stringify(value) : String(value));
