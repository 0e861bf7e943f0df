// The pages work without this script. It focuses the search field on "/", sends a form once,
// and replaces the parts of a page that are marked as live by those of the page read again.
"use strict";

document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, select, textarea")) return;

  event.preventDefault();
  document.getElementById("search").select();
});

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post") return;
  if (form.dataset.sent) event.preventDefault();

  form.dataset.sent = "yes"; // the server acts once, too, by the id of the form
  for (const button of form.querySelectorAll("button")) button.setAttribute("aria-disabled", "true");
});

// A page that the browser shows again from its memory may be sent again.
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});

const live = {
  reading: false,
  again: false,

  async read() {
    if (this.reading) {
      this.again = true;
      return;
    }

    this.reading = true;

    try {
      const response = await fetch(location.href, { headers: { Accept: "text/html" }, redirect: "error" });
      if (!response.ok) throw new Error(`status ${response.status}`);

      this.show(new DOMParser().parseFromString(await response.text(), "text/html"));
      this.say("");
    } catch {
      this.say("the page could not be read again; it shows what was so before");
    } finally {
      this.reading = false;
    }

    if (this.again) {
      this.again = false;
      await this.read();
    }
  },

  show(page) {
    for (const part of document.querySelectorAll("[data-live]")) {
      const now = page.getElementById(part.id);
      if (!now || now.isEqualNode(part)) continue;
      if (part.contains(document.activeElement) && document.activeElement !== document.body && part.querySelector(":focus-visible")) continue;

      const open = [...part.querySelectorAll("details")].map((details) => details.open);
      const left = [...part.querySelectorAll(".scroll")].map((box) => box.scrollLeft);

      part.replaceChildren(...now.childNodes);
      part.querySelectorAll("details").forEach((details, i) => { details.open = open[i] ?? false; });
      part.querySelectorAll(".scroll").forEach((box, i) => { box.scrollLeft = left[i] ?? 0; });
    }
  },

  say(trouble) {
    const place = document.getElementById("live");
    if (!place) return;

    place.textContent = trouble || "live";
    place.className = trouble ? "stale" : "fresh";
  },
};

const { refresh, watch } = document.body.dataset;

if (refresh) {
  setInterval(() => { if (!document.hidden) live.read(); }, 1000 * Number(refresh));
  document.addEventListener("visibilitychange", () => { if (!document.hidden) live.read(); });
}

if (watch) {
  const events = new EventSource(watch);
  events.addEventListener("order", () => live.read());
  events.addEventListener("settled", () => { events.close(); live.read(); });
}
