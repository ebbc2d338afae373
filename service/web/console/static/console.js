// Nicer with it, whole without it: times in the reader's zone, and parts of a page that look again by themselves.
"use strict";

const FULL = { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit" };
const HOUR = { hour: "2-digit", minute: "2-digit" };

function localise(root) {
  for (const time of root.querySelectorAll("time[data-local]")) {
    const at = new Date(time.dateTime);
    time.title = time.textContent;
    time.textContent = at.toLocaleString([], FULL);
    time.removeAttribute("data-local");
  }
  for (const mark of root.querySelectorAll("[data-local=hour]")) {
    mark.textContent = new Date(mark.dataset.at).toLocaleTimeString([], HOUR);
    mark.removeAttribute("data-local");
  }
}

// Each part is asked for by a short request of its own; while nobody looks, or the last one failed, less often.
class Part {
  constructor(element) {
    this.element = element;
    this.every = Number(element.dataset.every) * 1000;
    this.etag = null;
    this.failures = 0;
    this.wait();
  }

  wait() {
    setTimeout(() => this.look(), this.every * 2 ** Math.min(this.failures, 4));
  }

  async look() {
    const busy = this.element.contains(document.activeElement) && document.activeElement !== document.body;
    const open = this.element.querySelector("details[open]");
    if (!document.hidden && !busy && !open) await this.ask();
    this.wait();
  }

  async ask() {
    const url = new URL(location.href);
    url.searchParams.set("part", this.element.dataset.live);
    for (const name of ["done", "n", "m"]) url.searchParams.delete(name);
    try {
      const headers = this.etag ? { "If-None-Match": this.etag } : {};
      const answer = await fetch(url, { headers, redirect: "error", signal: AbortSignal.timeout(8000) });
      if (answer.status === 200) {
        this.etag = answer.headers.get("ETag");
        this.show(await answer.text());
      } else if (answer.status !== 304) throw new Error(String(answer.status));
      this.failures = 0;
    } catch {
      this.failures += 1;
    }
    Part.tell();
  }

  show(html) {
    const parsed = new DOMParser().parseFromString(html, "text/html");
    localise(parsed);
    this.element.replaceChildren(...parsed.body.childNodes);
    if (this.element.querySelector("[data-final]")) this.wait = () => {};
  }

  static tell() {
    document.getElementById("stale").hidden = !Part.all.some((part) => part.failures > 1);
  }
}

localise(document);
Part.all = [...document.querySelectorAll("[data-live]")].map((element) => new Part(element));
