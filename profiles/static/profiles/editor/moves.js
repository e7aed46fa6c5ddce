// Moves the photo as pointers, the wheel, keys and the controls below it say.

import { PAUSE } from "./frame.js";
import { History } from "./history.js";
import { byId, isTextField, stage } from "./page.js";

const MAX_TAP = 8; // in pixels that the pointer moves
const KEY_STEP = 0.04; // of the window's width
const KEY_ZOOM = 1.1;
const BUTTON_ZOOM = 1.2;
const MIN_NOTCH = 40; // pixels

const KEYS = {
  arrowleft: (square) => square.move(-KEY_STEP, 0),
  arrowright: (square) => square.move(KEY_STEP, 0),
  arrowup: (square) => square.move(0, -KEY_STEP),
  arrowdown: (square) => square.move(0, KEY_STEP),
  "+": (square) => square.zoomBy(KEY_ZOOM),
  "=": (square) => square.zoomBy(KEY_ZOOM), // the key of + without Shift
  "-": (square) => square.zoomBy(1 / KEY_ZOOM),
};

/** Return the name of a key; for a letter of another script, the Latin one in its place. */
function findKey({ key, code }) {
  return (key > "~" && code.startsWith("Key") ? code.slice(3) : key).toLowerCase();
}

/** Return whether the first of several events is of a mouse's wheel, not of a touchpad.
 *
 * A wheel turns by notches: in lines (Firefox), by multiples of 120 (the others' wheelDeltaY), or
 * by many pixels. So a wheel without notches moves the photo, and a very quick swipe zooms it. */
function isMouse({ deltaMode, deltaX, deltaY, wheelDeltaY }) {
  if (deltaMode) return true; // It is read first, or Firefox would count in pixels.
  const isNotch = Boolean(wheelDeltaY) && wheelDeltaY % 120 === 0;
  return !deltaX && (isNotch || Math.abs(deltaY) >= MIN_NOTCH);
}

export class Moves {
  #frame;
  #history = new History();
  #step = ""; // what the next move belongs to, if it is of the same kind
  #stepEnd = 0; // a timer
  #pointers = new Map(); // the last event of each pointer that is down
  #travelled = 0; // pixels that the pointers have moved
  #gestureScale = 1; // of a pinch on a touchpad, so far
  #wheel = ""; // what the wheel does until it pauses: "zoom", "move", or nothing ("page")
  #wheelEnd = 0; // a timer

  constructor(frame) {
    this.#frame = frame;
    this.#listenToStage();
    this.#listenToControls();
    addEventListener("keydown", (press) => this.#pressUndo(press));
  }

  /** Begin with another photo. */
  reset() {
    this.#history = new History();
    this.#endStep();
    this.#renderUndo();
  }

  // ---- Steps ----

  /** Change the square; moves of one step, such as those of a drag, are undone together. */
  #change(move, step = "") {
    this.#frame.stopGliding();
    const before = this.#frame.square;
    this.#frame.show(move(before));
    if (!this.#frame.square.equals(before)) this.#remember(before, step);
  }

  #remember(before, step) {
    if (!step || step !== this.#step) this.#history.add(before);
    this.#step = step;
    clearTimeout(this.#stepEnd);
    this.#renderUndo();
  }

  #endStep() {
    this.#step = "";
  }

  /** End a step, whose moves nothing else ends, after the last of them. */
  #endStepSoon() {
    clearTimeout(this.#stepEnd);
    this.#stepEnd = setTimeout(() => this.#endStep(), PAUSE);
  }

  #undo(way = "undo") {
    this.#frame.stop();
    this.#endStep();
    const square = this.#history[way](this.#frame.square);
    if (!square) return;
    this.#frame.show(square);
    this.#frame.announcePlace();
    this.#renderUndo();
  }

  #renderUndo() {
    byId("undo").setAttribute("aria-disabled", this.#history.isEmpty);
  }

  #pressUndo(press) {
    const isCommand = (press.ctrlKey || press.metaKey) && !press.altKey;
    if (!isCommand || stage.hidden || stage.inert || isTextField(press.target)) return;
    const key = findKey(press);
    if (key !== "z" && (key !== "y" || press.metaKey)) return; // Cmd+Y shows a browser's history.
    press.preventDefault();
    this.#undo(key === "y" || press.shiftKey ? "redo" : "undo");
  }

  // ---- Controls and keys ----

  #listenToStage() {
    const listen = (type, listener, options) => stage.addEventListener(type, listener, options);
    listen("pointerdown", (pointer) => this.#addPointer(pointer));
    listen("pointermove", (pointer) => this.#movePointer(pointer));
    listen("pointerup", (pointer) => this.#tap(pointer));
    // Fires after pointerup, and where the system ends a touch.
    listen("lostpointercapture", ({ pointerId }) => this.#pointers.delete(pointerId));
    listen("wheel", (wheel) => this.#turnWheel(wheel), { passive: false });
    listen("keydown", (press) => this.#pressKey(press));
    // Only Safari has these events, of a touchpad, and of fingers beside the pointer events.
    for (const type of ["gesturestart", "gesturechange"]) {
      listen(type, (gesture) => this.#pinch(gesture));
    }
  }

  #listenToControls() {
    const onClick = (id, listener) => byId(id).addEventListener("click", listener);
    const zoom = (factor) => {
      this.#change((square) => square.zoomBy(factor));
      this.#frame.announceZoom();
    };
    onClick("zoom-out", () => zoom(1 / BUTTON_ZOOM));
    onClick("zoom-in", () => zoom(BUTTON_ZOOM));
    onClick("turn", () => this.#turn());
    onClick("undo", () => this.#undo());
    const onSlide = (id, move) => {
      const slider = byId(id);
      slider.addEventListener("input", () => {
        this.#change((square) => move(square, slider.value / 100), id);
      });
      slider.addEventListener("change", () => this.#endStep());
    };
    onSlide("zoom", (square, part) => square.zoomBy(square.maxZoom ** part / square.zoom));
    onSlide("move-x", (square, part) => {
      return square.place((square.width - square.size) * (1 - part), square.y);
    });
    onSlide("move-y", (square, part) => {
      return square.place(square.x, (square.height - square.size) * part);
    });
  }

  #pressKey(press) {
    if (press.ctrlKey || press.metaKey || press.altKey) return;
    const key = findKey(press);
    if (key === "r" && !press.repeat) this.#turn();
    if (!(key in KEYS)) return;
    press.preventDefault();
    this.#change(KEYS[key], key);
    this.#endStepSoon();
    this.#frame.announcePlace();
  }

  #turn() {
    this.#change((square) => square.turn());
    this.#frame.announceTurn();
  }

  // ---- Pointers ----

  #addPointer(pointer) {
    if (pointer.button) return;
    stage.setPointerCapture(pointer.pointerId);
    this.#frame.stopGliding();
    if (!this.#pointers.size) this.#endStep();
    this.#travelled = this.#pointers.size ? Infinity : 0; // Two fingers do not tap.
    this.#pointers.set(pointer.pointerId, pointer);
  }

  #movePointer(pointer) {
    if (!this.#pointers.has(pointer.pointerId)) return;
    const before = this.#measurePointers();
    this.#pointers.set(pointer.pointerId, pointer);
    const after = this.#measurePointers();
    const [right, down] = [after.x - before.x, after.y - before.y];
    this.#travelled += Math.hypot(right, down) * this.#frame.window.clientWidth;
    if (this.#travelled < MAX_TAP) return;
    const factor = before.span && after.span ? after.span / before.span : 1;
    this.#change((square) => square.move(right, down).zoomBy(factor, after.x, after.y), "drag");
  }

  #tap({ pointerId }) {
    if (!this.#pointers.has(pointerId) || this.#travelled >= MAX_TAP) return;
    const { x, y } = this.#measurePointers();
    const before = this.#frame.square;
    if (!before.move(0.5 - x, 0.5 - y).equals(before)) this.#remember(before, "");
    this.#frame.glide(0.5 - x, 0.5 - y);
  }

  /** Return the middle of the first two pointers, in parts of the window, and their distance. */
  #measurePointers() {
    const [one, two = one] = this.#pointers.values();
    const span = Math.hypot(one.clientX - two.clientX, one.clientY - two.clientY);
    const clientX = (one.clientX + two.clientX) / 2;
    const clientY = (one.clientY + two.clientY) / 2;
    return { ...this.#locate({ clientX, clientY }), span };
  }

  /** Return a point of the screen in parts of the window. */
  #locate({ clientX, clientY }) {
    const box = this.#frame.window.getBoundingClientRect();
    return { x: (clientX - box.left) / box.width, y: (clientY - box.top) / box.height };
  }

  // ---- Wheel and touchpad ----

  #turnWheel(wheel) {
    clearTimeout(this.#wheelEnd);
    this.#wheelEnd = setTimeout(() => (this.#wheel = ""), PAUSE);
    const isFirst = !this.#wheel;
    if (isFirst) this.#wheel = isMouse(wheel) ? "zoom" : "move";
    const unit = wheel.deltaMode ? 16 : 1; // Firefox may count in lines.
    const [right, down] = [wheel.deltaX * unit, wheel.deltaY * unit];
    const isPinch = wheel.ctrlKey; // A pinch on a touchpad comes as small turns with Ctrl.
    const isZoom = isPinch || this.#wheel === "zoom";
    const { square, window } = this.#frame;
    const { x, y } = this.#locate(wheel);
    const factor = Math.exp(-down * (isPinch ? 0.01 : 0.0015));
    const [partX, partY] = [-right / window.clientWidth, -down / window.clientWidth];
    const next = isZoom ? square.zoomBy(factor, x, y) : square.move(partX, partY);
    // Where the photo cannot go further, a wheel scrolls the page, and so do two fingers that begin
    // there. A pinch does not: it would zoom the page.
    const isAtEnd = next.equals(square);
    if (isFirst && isAtEnd && !isZoom) this.#wheel = "page";
    if (!isPinch && (this.#wheel === "page" || (isZoom && isAtEnd))) return;
    wheel.preventDefault();
    this.#change(() => next, isZoom ? "wheel" : "scroll");
    this.#endStepSoon();
  }

  #pinch(gesture) {
    gesture.preventDefault();
    const factor = gesture.scale / this.#gestureScale;
    this.#gestureScale = gesture.scale;
    if (this.#pointers.size) return;
    if (gesture.type === "gesturestart") return this.#endStep();
    const { x, y } = this.#locate(gesture);
    this.#change((square) => square.zoomBy(factor, x, y), "pinch");
  }
}
