// Sends a picture, again where the server is busy; shows how far that is, and the receipt.
// The page loads this module with the first photo.

import {
  announce,
  byId,
  form,
  formatList,
  formatNumber,
  formatSize,
  getText,
  page,
  PATIENCE,
} from "./page.js";

const MAX_WAIT = 90_000; // milliseconds for an answer; servers give up after 60 s
// A busy server asks for the picture again in 5 s. One that is down asks in a minute: then the
// visitor decides.
const MAX_TRIES = 6;
const MAX_PAUSE = 10; // seconds
const LATE = 5_000; // milliseconds without an answer until one need not wait for it

/** Sends data to the form's address, and again where the server is busy. */
export class Upload {
  phase = "sending"; // then "making", or "waiting" until it is sent again
  sent = 0; // bytes
  total = 0;
  onchange = () => {};
  #data;
  #request;
  #pause;
  #tries = 0;
  #end;

  constructor(data) {
    this.#data = data;
  }

  /** Send; return how it ended: with an answer, whose JSON is null where it cannot be read. */
  start() {
    return new Promise((resolve) => {
      this.#end = (outcome, code, answer) => resolve({ outcome, code, answer });
      this.#send();
    });
  }

  stop() {
    clearTimeout(this.#pause);
    if (this.phase === "waiting") this.#end("stopped");
    else this.#request.abort();
  }

  #change(phase, sent = 0, total = 0) {
    Object.assign(this, { phase, sent, total });
    this.onchange();
  }

  #send() {
    const request = new XMLHttpRequest(); // fetch does not report the progress of an upload.
    const start = performance.now();
    this.#request = request;
    this.#tries += 1;
    this.#change("sending");
    request.open("POST", form.action);
    request.setRequestHeader("Accept", "application/json");
    request.responseType = "json";
    request.upload.onprogress = ({ loaded, total }) => this.#change("sending", loaded, total);
    request.upload.onload = () => {
      request.timeout = performance.now() - start + MAX_WAIT;
      this.#change("making");
    };
    request.onabort = () => this.#end(this.phase === "making" ? "stopped-late" : "stopped");
    request.onerror = request.ontimeout = () => {
      this.#end(this.phase === "making" ? "broke-late" : "broke");
    };
    request.onload = () => this.#receive();
    request.send(this.#data);
  }

  #receive() {
    const request = this.#request;
    const seconds = request.status === 503 ? Number(request.getResponseHeader("Retry-After")) : 0;
    const isBusy = seconds && seconds <= MAX_PAUSE;
    if (!isBusy || this.#tries === MAX_TRIES) {
      return this.#end("answered", request.status, request.response);
    }
    this.#change("waiting");
    // Not the same time for everybody, so that they do not all come back at once.
    this.#pause = setTimeout(() => this.#send(), seconds * (1 + Math.random()) * 1000);
  }
}

/** Shows how far an upload is, once it takes longer than a moment. */
export class Progress {
  #upload;
  #isPicture; // not a description alone
  #phase = "sending";
  #timer = setTimeout(() => this.#showFirst(), PATIENCE);
  #late = 0; // a timer

  constructor(upload, isPicture) {
    this.#upload = upload;
    this.#isPicture = isPicture;
    this.render();
    upload.onchange = () => this.render();
  }

  render() {
    const { phase, sent, total } = this.#upload;
    const values = { sent: formatSize(sent), all: formatSize(total) };
    byId("progress-words").textContent = getText(sent ? "sent-part" : phase, values);
    this.#renderStop(phase === "making");
    if (phase === "sending") byId("progress").value = sent / total || 0;
    else byId("progress").removeAttribute("value");
    const isNew = phase !== this.#phase;
    this.#phase = phase;
    if (!isNew || phase === "sending") return;
    if (phase === "waiting") announce(getText("waiting"));
    if (phase === "waiting" || !byId("sending").hidden) this.#show();
  }

  /** What is sent can be stopped at once; the answer is soon there, or else one need not wait. */
  #renderStop(isMaking) {
    byId("stop").textContent = getText(isMaking ? "stop-waiting" : "stop-sending");
    byId("stop").hidden = isMaking;
    clearTimeout(this.#late);
    if (isMaking) this.#late = setTimeout(() => (byId("stop").hidden = false), LATE);
  }

  close() {
    clearTimeout(this.#timer);
    clearTimeout(this.#late);
    byId("sending").hidden = true;
    byId("buttons").hidden = false;
  }

  #showFirst() {
    announce(getText(this.#isPicture ? this.#phase : "saving"));
    this.#show();
  }

  #show() {
    clearTimeout(this.#timer);
    byId("buttons").hidden = true;
    byId("sending").hidden = false;
    byId(this.#phase === "making" ? "sending" : "stop").focus({ preventScroll: true });
  }
}

/** Fetch the form's token anew: signing in, in another tab, has changed it. */
export async function renewToken() {
  try {
    const answer = await fetch(form.action, { signal: AbortSignal.timeout(10_000) });
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    const token = fresh.querySelector("#editor [name=csrfmiddlewaretoken]");
    if (token) form.elements.csrfmiddlewaretoken.value = token.value;
  } catch {
    // The connection is broken, which the upload will say.
  }
}

/** Show an answer, which may be unreadable; `sent` are the facts of a square that was cut here. */
export function renderReceipt(answer, sent, details) {
  const receipt = answer?.receipt;
  byId("new-picture").hidden = !receipt;
  byId("receipt-cut").hidden = !receipt || !sent;
  byId("receipt-whole").hidden = !receipt || Boolean(sent);
  byId("receipt-unreadable").hidden = Boolean(receipt);
  if (!receipt) return;
  byId("new-picture").src = answer.url;
  page.classList.toggle("drawing", receipt.is_pixel_art);
  const facts = listFacts(receipt, sent, details);
  for (const part of page.querySelectorAll("[data-fact]")) {
    part.textContent = facts[part.dataset.fact];
  }
}

function listFacts({ arrived, kept, thrown_away: thrown }, sent, details) {
  const describe = ({ side, bytes }) => ({ side: formatNumber(side), size: formatSize(bytes) });
  const kinds = (details ?? []).map(([kind]) => kind);
  const list = (keys) => formatList(keys.map((key) => getText(key)));
  return {
    sent: sent && getText("square", describe(sent)),
    stayed: list([sent?.isAll ? "original" : "rest", ...kinds]),
    arrived: getText("arrived", {
      format: arrived.format,
      width: formatNumber(arrived.width),
      height: formatNumber(arrived.height),
      size: formatSize(arrived.bytes),
    }),
    thrown: list([...thrown, "outside"]),
    kept: getText("kept", describe(kept)),
  };
}
