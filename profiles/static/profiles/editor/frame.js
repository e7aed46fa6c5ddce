// Shows the square in the window and in the previews, and says where it is.

import { cut, hasFewColours, readPixels } from "./cut.js";
import {
  announce,
  byId,
  formatList,
  formatNumber,
  formatPercent,
  getText,
  page,
  server,
} from "./page.js";
import { clamp, getMatrix, Square } from "./square.js";

const MIN_SHARP = 128;
const GLIDE = 200; // milliseconds

/** How long the next move belongs to the last, in milliseconds; then what they did is announced. */
export const PAUSE = 500;

export class Frame {
  square = null;
  #photo = null;
  #animation = 0;
  #announcement = 0; // a timer
  #windows = page.querySelectorAll(".window"); // first the large one, then the previews

  constructor() {
    new ResizeObserver(() => this.render()).observe(this.window);
  }

  get window() {
    return this.#windows[0];
  }

  setPhoto(photo) {
    this.stop();
    byId("blurred").textContent = "";
    page.classList.remove("drawing");
    this.#photo = photo.image && photo;
    if (!photo.image) return;
    for (const box of this.#windows) box.replaceChildren(photo.image.cloneNode());
    this.show(Square.cutMiddle(photo));
  }

  show(square) {
    this.square = square;
    this.render();
  }

  /** Move the photo by parts of the window, in small steps. */
  glide(right, down) {
    const from = this.square;
    const start = performance.now();
    const isStill = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const step = (now) => {
      const part = isStill ? 1 : clamp((now - start) / GLIDE, 0, 1);
      const eased = 1 - (1 - part) ** 3;
      this.show(from.move(eased * right, eased * down));
      if (part < 1) this.#animation = requestAnimationFrame(step);
    };
    this.stopGliding();
    step(start);
  }

  stopGliding() {
    cancelAnimationFrame(this.#animation);
  }

  /** Stop the animation, and the announcement that waits. */
  stop() {
    this.stopGliding();
    clearTimeout(this.#announcement);
  }

  render() {
    if (!this.#photo) return;
    const { width, height, x, y, size, maxSize, zoom, maxZoom } = this.square;
    for (const box of this.#windows) {
      const scale = box.clientWidth / size;
      const [image] = box.children;
      image.style.transform = `matrix(${getMatrix(this.square, scale)}) scale(${scale})`;
    }
    const slider = byId("zoom");
    const most = Math.log(maxZoom);
    slider.value = most ? (100 * Math.log(zoom)) / most : 0;
    slider.setAttribute("aria-valuetext", formatPercent(zoom));
    byId("zoom-out").setAttribute("aria-disabled", size === maxSize);
    byId("zoom-in").setAttribute("aria-disabled", size === maxSize / maxZoom);
    this.#renderSlider("x", 1 - x / (width - size));
    this.#renderSlider("y", y / (height - size));
    this.#renderBlur();
  }

  /** Render where the photo is between its ends, from 0 to 1; NaN where it cannot be moved. */
  #renderSlider(axis, part) {
    const slider = byId(`move-${axis}`);
    const isFixed = !Number.isFinite(part);
    slider.value = isFixed ? 50 : 100 * part;
    const step = [0.01, 0.3, 0.48, 0.52, 0.7, 0.99].filter((end) => part > end).length;
    const text = getText(isFixed ? `${axis}-all` : `${axis}-${step}`);
    slider.setAttribute("aria-valuetext", text);
    byId(`move-${axis}-words`).value = text;
  }

  /** Warn of a square of few pixels, but not of a small drawing: pages show its pixels sharply. */
  #renderBlur() {
    const { size } = this.square.pixels;
    const isSmall = this.#photo.isLossless && size <= server.maxPixelArtSide;
    const isDrawing = isSmall && this.#hasFewColours();
    page.classList.toggle("drawing", isDrawing);
    const warning = byId("blurred");
    const isBlurred = size < MIN_SHARP && !isDrawing;
    const text = isBlurred ? getText("blurred", { side: formatNumber(size) }) : "";
    if (text && !warning.textContent) this.#announce(text); // once, not at each step
    warning.textContent = text;
    warning.hidden = !text;
  }

  #hasFewColours() {
    const { pixels } = this.square;
    const colours = readPixels(cut(this.#photo.image, pixels));
    return hasFewColours(colours, pixels.size ** 2 / server.pixelsPerColour);
  }

  #announce(text) {
    clearTimeout(this.#announcement);
    announce(text);
  }

  /** Say what the last of several moves has led to. */
  #announceSoon(findWords) {
    clearTimeout(this.#announcement);
    this.#announcement = setTimeout(() => announce(findWords()), PAUSE);
  }

  announceZoom() {
    this.#announceSoon(() => getText("zoom", { percent: formatPercent(this.square.zoom) }));
  }

  announceTurn() {
    this.#announceSoon(() => getText(`turn-${this.square.turns}`));
  }

  announcePlace() {
    this.#announceSoon(() => {
      const { turns, zoom } = this.square;
      const place = ["move-x-words", "move-y-words"].map((id) => byId(id).value);
      const turned = turns ? [getText(`turn-${turns}`)] : [];
      return formatList([...place, formatPercent(zoom), ...turned], { type: "unit" });
    });
  }
}
