// What the daemon sends by itself: one stream, opened again when it ends, resumed where it ended.

const KINDS = ["status", "pulse", "event", "telemetry", "beat", "gap"];
const AGAIN_MS = 500;
const DECLINED_MS = 3000;
const SILENT_MS = 6000; // a line that is cut without a word is given up then, and a new one tried

export class Events {
  // `opened()` for each new stream, `hear(kind, data)` for all it says, `lost(why)` when it ends by itself.
  constructor(opened, hear, lost) {
    this.opened = opened;
    this.hear = hear;
    this.lost = lost;
    this.lastId = "";
    this.source = null;
    this.heardAt = 0;
    document.addEventListener("visibilitychange", () => (document.hidden ? this.close() : this.open()));
    setInterval(() => this.look(), AGAIN_MS);
  }

  // A browser keeps six connections to one host: a page that nobody sees gives its own back.
  open() {
    if (this.source !== null || document.hidden) return;
    const since = this.lastId ? `?since=${encodeURIComponent(this.lastId)}` : "";
    const source = new EventSource(`/events${since}`);
    this.source = source;
    this.heardAt = performance.now();
    for (const kind of KINDS) {
      source.addEventListener(kind, (message) => {
        this.heardAt = performance.now();
        if (message.lastEventId) this.lastId = message.lastEventId;
        this.hear(kind, JSON.parse(message.data));
      });
    }
    source.onopen = () => this.opened();
    source.onerror = () => (source.readyState === EventSource.CLOSED ? this.declined(source) : this.lost(""));
  }

  close() {
    this.source?.close();
    this.source = null;
  }

  // A browser does not tell why it was declined, nor does it try again: the answer to a plain request does.
  async declined(source) {
    this.lost("");
    const given = new AbortController();
    try {
      const answer = await fetch("/events", { signal: given.signal });
      if (!answer.ok) this.lost((await answer.json()).message);
    } catch {
      this.lost("");
    } finally {
      given.abort();
    }
    setTimeout(() => { if (this.source === source) this.giveWay(); }, DECLINED_MS);
  }

  // The connection may be what another request waits for: give it free, and queue behind that request.
  giveWay() {
    this.close();
    this.open();
  }

  look() {
    if (this.source === null) this.open();
    else if (this.source.readyState !== EventSource.CLOSED && performance.now() - this.heardAt > SILENT_MS) this.giveWay();
  }
}
