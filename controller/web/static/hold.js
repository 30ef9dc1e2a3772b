// A button that acts only when it was held for its whole time, by pointer or by key.

export class Hold {
  // `allowed()` is asked at both ends; `begun()`, `let_go()` and `done()` are told.
  constructor(button, forMs, { allowed, begun, letGo, done }) {
    this.button = button;
    this.forMs = forMs;
    button.style.setProperty("--hold", `${forMs}ms`);
    this.told = { allowed, begun, letGo, done };
    this.timer = null;
    button.addEventListener("pointerdown", (event) => event.isPrimary && event.button === 0 && this.begin());
    for (const end of ["pointerup", "pointerleave", "pointercancel", "blur"]) button.addEventListener(end, () => this.cancel());
    button.addEventListener("contextmenu", (event) => event.preventDefault());
    button.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      if (!event.repeat) this.begin();
    });
    button.addEventListener("keyup", (event) => (event.key === "Enter" || event.key === " ") && this.cancel());
  }

  begin() {
    if (this.timer !== null || !this.told.allowed()) return;
    this.button.classList.add("holding");
    this.told.begun();
    this.timer = setTimeout(() => {
      this.end();
      if (this.told.allowed()) this.told.done();
      else this.told.letGo();
    }, this.forMs);
  }

  cancel() {
    if (this.timer === null) return;
    this.end();
    this.told.letGo();
  }

  end() {
    clearTimeout(this.timer);
    this.timer = null;
    this.button.classList.remove("holding");
  }
}
