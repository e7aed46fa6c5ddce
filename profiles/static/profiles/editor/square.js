// The square of a photo that is cut out, in pixels of the upright photo. It never changes: each
// move returns another.

const MIN_SIZE = 64; // A smaller photo cannot be zoomed at all.
const MAX_ZOOM = 8;

export const clamp = (value, least, most) => Math.max(least, Math.min(value, most));

export class Square {
  /** Make the square that is next to the one asked for; `turns` are quarters to the right. */
  constructor(width, height, x, y, size, turns = 0) {
    const shortSide = Math.min(width, height);
    this.width = width; // of the turned photo
    this.height = height;
    this.turns = turns;
    this.maxSize = shortSide;
    this.maxZoom = clamp(shortSide / MIN_SIZE, 1, MAX_ZOOM);
    this.size = clamp(size, shortSide / this.maxZoom, shortSide);
    this.x = clamp(x, 0, width - this.size);
    this.y = clamp(y, 0, height - this.size);
  }

  /** Return the middle of a photo, as the server would cut it (avatar.py, Crop). */
  static cutMiddle({ width, height }) {
    const size = Math.min(width, height);
    const [x, y] = [width, height].map((side) => Math.floor((side - size) / 2));
    return new Square(width, height, x, y, size);
  }

  get zoom() {
    return this.maxSize / this.size;
  }

  /** The square in whole pixels, as it is cut. */
  get pixels() {
    const size = Math.round(this.size);
    const x = clamp(Math.round(this.x), 0, this.width - size);
    const y = clamp(Math.round(this.y), 0, this.height - size);
    return { ...this, x, y, size };
  }

  equals(other) {
    return ["x", "y", "size", "turns"].every((part) => this[part] === other[part]);
  }

  place(x, y, size = this.size) {
    return new Square(this.width, this.height, x, y, size, this.turns);
  }

  /** Move the photo by parts of the window: right is right, and down is down. */
  move(right, down) {
    return this.place(this.x - right * this.size, this.y - down * this.size);
  }

  /** Zoom by a factor; the photo stays in place under one point of the window. */
  zoomBy(factor, pointX = 0.5, pointY = 0.5) {
    const { size } = this.place(0, 0, this.size / factor);
    const gain = this.size - size;
    return this.place(this.x + pointX * gain, this.y + pointY * gain, size);
  }

  /** Turn the photo by a quarter to the right; the same part of it stays in the window. */
  turn() {
    const { width, height, x, y, size, turns } = this;
    return new Square(height, width, height - y - size, x, size, (turns + 1) % 4);
  }

  /** Turn it back until it is as it was. */
  turnBack() {
    return this.turns ? this.turn().turnBack() : this;
  }
}

/** Return the matrix that turns a photo and brings the square's corner to 0, 0: for CSS and canvas. */
export function getMatrix({ width, height, x, y, turns }, scale) {
  const cos = [1, 0, -1, 0][turns];
  const sin = [0, 1, 0, -1][turns];
  const right = turns === 1 || turns === 2 ? width : 0;
  const down = turns > 1 ? height : 0;
  return [cos, sin, -sin, cos, (right - x) * scale, (down - y) * scale];
}
