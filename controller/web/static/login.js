// Who is at this page.

import { $, put } from "./dom.js";
import { t } from "./words.js";
import { tell } from "./asking.js";

const LOOK_MS = 30_000;

export class Me {
  constructor(asker, changed) {
    this.asker = asker;
    this.changed = changed;
    this.known = null;
    asker.unauthorised = (told) => this.forget(told.message);
    $("login").addEventListener("submit", (event) => {
      event.preventDefault();
      this.login();
    });
    $("logout").addEventListener("click", () => this.logout());
    setInterval(() => this.known && !document.hidden && this.look(), LOOK_MS);
  }

  async look() {
    const { ok, told } = await this.asker.get("/me");
    if (ok && told.name) this.become(told);
    else if (ok) this.forget(told.message);
  }

  async login() {
    const password = $("login-password");
    const answer = await this.asker.post("/login", { name: $("login-name").value, password: password.value });
    password.value = "";
    if (!tell(t("login"), answer, $("login-told"))) return;
    await this.look();
    put($("login-told"), [t("login.fresh", this.known?.name ?? ""), ...(answer.told.training ?? []).map((one) => one.text)].join(". "));
  }

  async logout() {
    const answer = await this.asker.post("/logout", {});
    if (tell(t("logout"), answer, $("login-told"))) this.forget();
  }

  become(known) {
    this.known = known;
    this.asker.csrf = known.csrf;
    this.show();
  }

  // `why`: in the daemon's words, when it was not the person who logged out.
  forget(why = "") {
    if (this.known === null) return;
    this.known = null;
    this.asker.csrf = "";
    if (why) put($("login-told"), why);
    this.show();
  }

  show() {
    $("login").hidden = this.known !== null;
    $("me").hidden = this.known === null;
    if (this.known) put($("me-who"), t("login.as", this.known.name, this.known.role, Math.round(this.known.idle_lock_s / 60)));
    this.changed();
  }
}
