// The picture editor. It enhances the form of avatar.html, which works without it.
//
// A square window stays in place, and the photo moves under it. The editor cuts out what the window
// shows, so that the rest of the photo never leaves the device. A browser that cannot do that says
// so before anything is sent. All texts are in the page (#words), where they are translated.
//
// This module has the states of the page; those that it imports are in the folder editor/.

import { canCut, cut, encode } from "./editor/cut.js";
import { listenForFiles, openPicker } from "./editor/files.js";
import { Frame } from "./editor/frame.js";
import {
  announce,
  byId,
  form,
  formatNumber,
  formatSize,
  getText,
  hasText,
  page,
  PATIENCE,
  server,
  stage,
} from "./editor/page.js";
import { Photo } from "./editor/photo.js";

const save = byId("save");
const bar = save.closest(".bar");
const { description } = form.elements;
const isTouch = matchMedia("(pointer: coarse)").matches;
const device = isTouch && Math.min(screen.width, screen.height) < 600 ? "phone" : "device";

const frame = new Frame();
let moves = null;
let sending = null; // the module, as is tells
let tells = null;
let state = "plain"; // then choose, camera, frame or keep (of a photo), done, describe
let photo = null;
let opening = null; // the last file that was chosen, until it is open
let isWhole = false; // whether the whole photo is to be sent
let camera = null; // what ends it
let isBusy = false; // while something is made ready and sent
let isSignedOut = false;
let saved = {}; // the photo and the square that were saved last, or are given up
let previousDescription = "";

// ---- States ------------------------------------------------------------------------------------

function show(newState, focused) {
  state = page.dataset.state = newState;
  byId("trouble").hidden = true;
  for (const part of page.querySelectorAll("[data-when]")) {
    part.hidden = !part.dataset.when.split(" ").includes(state);
  }
  const isPhoto = state === "frame" || state === "keep";
  const promise = byId("promise");
  promise.textContent = getText(isWhole ? "whole" : `promise-${device}`);
  promise.classList.toggle("withdrawn", isWhole);
  // The bar stays in view on a small screen, so the warning stands there, beside the button.
  if (isWhole) bar.prepend(promise);
  else byId("tells").before(promise);
  save.textContent = getText(isPhoto ? (isWhole ? "save-whole" : "save") : "save-description");
  save.classList.toggle("quiet", state === "choose");
  const notes = state === "frame" ? "blurred promise" : "promise";
  if (isPhoto) save.setAttribute("aria-describedby", notes);
  else save.removeAttribute("aria-describedby");
  renderOffer(isPhoto || state === "describe");
  if (isPhoto) tells.renderDetails(photo.details, isWhole);
  byId("retake").hidden = !(state === "frame" && photo.isTaken);
  if (state === "frame") frame.render();
  focused?.focus();
}

function showPhoto() {
  scrollTo(0, 0); // From there on, the photo and what saves it are in sight at once.
  if (photo.image) show("frame", stage);
  else show("keep", form.querySelector("[name=crop_keep]:checked"));
}

/** Offer the description that the picture before had. */
function renderOffer(isNew) {
  const text = previousDescription;
  byId("offer").hidden = !isNew || !text || text === description.value;
  byId("offer").textContent = getText("offer", { text });
}

function showErrors(sentences, asksToSignIn = false) {
  const items = sentences.map((sentence) => {
    const item = document.createElement("li");
    item.textContent = sentence;
    return item;
  });
  byId("trouble").querySelector("ul").replaceChildren(...items);
  byId("sign-in").hidden = !asksToSignIn;
  byId("trouble").hidden = false;
  byId("trouble").focus();
}

// ---- Choosing ----------------------------------------------------------------------------------

/** Load what is needed as soon as there is a photo; without it, none is opened. */
async function loadTools() {
  try {
    const [{ Moves }, ...modules] = await Promise.all([
      import("./editor/moves.js"),
      import("./editor/sending.js"),
      import("./editor/tells.js"),
      import("./editor/history.js"), // moves.js imports it, and would wait for it,
      import("./editor/blocks.js"), // as would tells.js for this.
    ]);
    [sending, tells] = modules;
    moves ??= new Moves(frame);
  } catch {
    // The connection is broken, or a newer version of the site has replaced these files.
  }
}

/** Return why a photo cannot be sent, or would be refused; "" where all is well. */
function findRefusal(opened, isCutHere) {
  if (!moves) return getText("incomplete");
  if (!opened) return getText("no-picture");
  const { image, blob } = opened;
  if (!(image && isCutHere) && blob.size > server.maxBytes) {
    const [megabytes, limit] = [blob.size, server.maxBytes].map((size) => Math.ceil(size / 1e6));
    return getText("too-large", { megabytes: formatNumber(megabytes), limit: formatNumber(limit) });
  }
  if (!image || Math.min(opened.width, opened.height) >= server.minSide) return "";
  const { width, height } = opened;
  return getText("small", { width, height, limit: server.minSide });
}

async function choosePhoto(blob, isTaken = false) {
  if (!blob || isBusy) return;
  camera?.abort();
  opening = blob;
  frame.stop();
  byId("trouble").hidden = true;
  const timer = setTimeout(() => announce(getText("opening")), PATIENCE);
  const loading = loadTools();
  const reading = loading.then(() => tells.readDetails(blob)).catch(() => null);
  const [opened, isCutHere, found] = await Promise.all([Photo.open(blob), canCut(), reading]);
  if (found) opened?.applyDetails(found);
  clearTimeout(timer);
  if (opening !== blob) return opened?.release(); // The visitor has chosen another.
  opening = null;
  announce("");
  const refusal = findRefusal(opened, isCutHere);
  if (refusal) {
    opened?.release();
    if (state === "camera") show(photo?.image ? "frame" : "choose");
    return showErrors([refusal]);
  }
  photo?.release();
  photo = opened;
  photo.isTaken = isTaken;
  isWhole = !photo.image || !isCutHere;
  // The description is of the picture before.
  previousDescription = description.value || previousDescription;
  description.value = "";
  byId("file-name").textContent = `${blob.name ?? ""} (${formatSize(blob.size)})`;
  frame.setPhoto(photo);
  moves.reset();
  showPhoto();
}

async function useCamera({ currentTarget: opener }) {
  if (isBusy) return;
  camera?.abort();
  opening = null; // A photo that is still being opened is not shown over the camera.
  const { signal } = (camera = new AbortController());
  const before = state;
  try {
    const { takePicture } = await import("./editor/camera.js");
    choosePhoto(await takePicture(signal, () => show("camera", byId("shutter"))), true);
  } catch (error) {
    if (camera.signal !== signal) return; // It was asked for again.
    announce("");
    if (state === "camera") show(before, opener);
    const key = `camera-${error.name}`;
    if (!signal.aborted) showErrors([getText(hasText(key) ? key : "camera-failed")]);
  }
}

/** Offer the camera of a computer. A phone's own program is better, and the file field opens it. */
async function offerCamera() {
  if (!matchMedia("(pointer: fine)").matches) return;
  const devices = (await navigator.mediaDevices?.enumerateDevices().catch(() => [])) ?? [];
  byId("use-camera").hidden = !devices.some(({ kind }) => kind === "videoinput");
}

// ---- Sending -----------------------------------------------------------------------------------

async function submit() {
  camera?.abort(); // It may still be starting.
  frame.stop();
  byId("trouble").hidden = true;
  lock(true);
  let message;
  try {
    message = await collectData();
  } catch {
    // The browser cannot cut this photo: the visitor decides whether to send all of it.
    lock(false);
    const refusal = findRefusal(photo, false);
    if (refusal) return showErrors([refusal]);
    isWhole = true;
    return show(state, byId("promise"));
  }
  send(message);
}

/** Return the data to send, and the facts of a square that was cut here. */
async function collectData() {
  const data = new FormData();
  if (isSignedOut) await sending.renewToken();
  data.set("csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value);
  data.set("description", description.value);
  if (state === "describe") return { data };
  if (!photo.image) {
    data.set("crop_keep", form.elements.crop_keep.value);
    data.set("avatar", photo.blob);
    return { data };
  }
  const square = frame.square.pixels;
  if (isWhole) {
    const upright = frame.square.turnBack().pixels;
    for (const key of ["x", "y", "size"]) data.set(`crop_${key}`, upright[key]);
    data.set("turn", 90 * square.turns);
    data.set("avatar", photo.blob);
    return { data };
  }
  const canvas = cut(photo.image, square);
  const blob = await encode(canvas, photo);
  if (!blob) throw new Error("This browser cannot encode the square.");
  data.set("avatar", blob, "square");
  const isAll = photo.width === square.size && photo.height === square.size;
  return { data, sent: { side: canvas.width, bytes: blob.size, isAll } };
}

async function send({ data, sent }) {
  const upload = new sending.Upload(data);
  const progress = new sending.Progress(upload, state !== "describe");
  byId("stop").onclick = () => upload.stop();
  const { outcome, code, answer } = await upload.start();
  lock(false);
  progress.close();
  if (outcome === "stopped") {
    announce(getText("stopped"), true);
    save.focus();
  } else if (outcome === "answered") {
    isSignedOut = code === 401 || code === 403;
    if (code === 201) showSaved(answer, sent);
    else showFailure(listErrors(code, answer), code === 401);
  } else {
    showFailure([getText(outcome)]);
  }
}

/** Let nothing of a picture change while it is made ready and sent. */
function lock(isLocked) {
  isBusy = isLocked;
  if (isLocked) save.focus(); // What is inert loses the focus.
  stage.inert = isLocked;
  for (const part of form.querySelectorAll(".controls > :not(.bar)")) part.inert = isLocked;
  save.setAttribute("aria-disabled", isLocked);
}

function showSaved(answer, sent) {
  if (description.value) previousDescription = "";
  byId("describe").textContent = getText(description.value ? "change" : "add");
  if (state === "describe") {
    announce(getText("saved"));
    return show("done", byId("describe"));
  }
  saved = { photo, square: frame.square };
  sending.renderReceipt(answer, sent, photo.details);
  announce(""); // The title has the focus, and is read out.
  show("done", byId("receipt-title"));
}

/** Return what the server says is wrong; where that cannot be read, a sentence for its status. */
function listErrors(code, answer) {
  const errors = Object.values(answer?.errors ?? {}).flat();
  return errors.length ? errors : [getText(hasText(`error-${code}`) ? `error-${code}` : "error")];
}

function showFailure(sentences, asksToSignIn) {
  announce(""); // A text that stays the same would not be read out the next time.
  save.textContent = getText(isWhole && state !== "describe" ? "save-whole" : "again");
  showErrors(sentences, asksToSignIn);
}

// ---- The page ----------------------------------------------------------------------------------

// The whole photo is sent by its button, not by Enter in a field. The focus would not show which
// it was: Safari gives none to a button that is clicked.
form.addEventListener("keydown", (press) => {
  const isInField = press.key === "Enter" && press.target.matches("input");
  if (isInField && isWhole && state !== "describe") press.preventDefault();
});

form.addEventListener("submit", (submission) => {
  if (state === "choose" && !opening) {
    form.elements.avatar.value = ""; // A browser may have restored it after a reload.
    return; // The form sends the description alone.
  }
  submission.preventDefault();
  if (!isBusy && !opening) submit();
});

const onClick = (id, listener) => byId(id).addEventListener("click", listener);
onClick("choose", openPicker);
onClick("tile", openPicker);
onClick("take", () => byId("camera").click());
onClick("other", () => isBusy || openPicker());
onClick("use-camera", useCamera);
onClick("retake", useCamera);
onClick("leave-camera", () => camera.abort());
onClick("adjust", () => isBusy || showPhoto());
onClick("describe", () => isBusy || show("describe", description));
onClick("offer", () => {
  description.value = previousDescription;
  renderOffer(true);
  description.focus();
});

// Whoever cancels is not asked, unless the other page comes in a tab of its own.
onClick("cancel", ({ ctrlKey, metaKey, shiftKey }) => {
  if (!ctrlKey && !metaKey && !shiftKey) saved = { photo, square: frame.square };
});

// The browser asks before a photo is lost that is not saved as it is framed. Nothing else is much.
addEventListener("beforeunload", (leaving) => {
  const isSaved = saved.photo === photo && saved.square === frame.square;
  if (!isSaved && (state === "frame" || state === "keep")) leaving.preventDefault();
});

addEventListener("pagehide", () => camera?.abort());

// The bar stays in view where it leaves room for what is above it.
const stickBar = () => bar.classList.toggle("stuck", 2 * bar.offsetHeight < innerHeight);
new ResizeObserver(stickBar).observe(bar);

for (const title of page.querySelectorAll("[data-say]")) {
  title.textContent = getText(`${title.dataset.say}-${device}`);
}
byId("take").hidden = !isTouch;
byId("ways-of-mouse").hidden = isTouch;
show("choose");
// Errors of the form that was sent without this script.
const refusals = form.querySelectorAll(":scope > .errors li, #id_avatar_error li");
if (refusals.length) showErrors([...refusals].map((refusal) => refusal.textContent));
for (const refusal of refusals) refusal.closest(".errors")?.remove();
offerCamera();
listenForFiles(choosePhoto, () => isBusy || showErrors([getText("no-file")]));
