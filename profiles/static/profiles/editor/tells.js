// What the file of a photo says: place, date, camera and more, and how the picture is stored. It is
// read in the page and sent nowhere.

import { findBlocks } from "./blocks.js";
import { byId, getText } from "./page.js";

const MAX_TAGS = 500; // of one directory
const MAX_VALUES = 4; // of one kind
const MAX_LENGTH = 200; // bytes of a value

// For each kind the tags of EXIF (Exif 2.32, 4.6; DNG 1.7), the properties of XMP, and the keywords
// of PNG. The first one counts most.
const SIGNS = {
  place: ["photoshop:City"],
  date: [
    ...[0x9003, 0x9004, 0x0132, "exif:DateTimeOriginal", "photoshop:DateCreated"],
    ...["xmp:CreateDate", "Creation Time"],
  ],
  make: [0x010f, "tiff:Make"],
  model: [0x0110, "tiff:Model", "Source"],
  lens: [0xa434, "exifEX:LensModel", "aux:Lens"],
  serial: [
    ...[0xa431, 0xc62f, 0xa435, "exifEX:BodySerialNumber", "exifEX:LensSerialNumber"],
    ...["aux:SerialNumber", "aux:LensSerialNumber"],
  ],
  name: [
    ...[0xa430, 0x013b, 0x8298, "exifEX:CameraOwnerName", "aux:OwnerName", "dc:creator"],
    ...["dc:rights", "Author", "Copyright"],
  ],
  software: [0x0131, "xmp:CreatorTool", "Software"],
  comment: [0x010e, "dc:description", "Comment", "Description", "Title"],
};
const [ORIENTATION, EXIF_POINTER, GPS_POINTER, THUMBNAIL] = [0x0112, 0x8769, 0x8825, 0x0201];
const TYPE_SIZES = [0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8];

/** Read a file: the details by their kinds, in words; its orientation, and a JPEG's colours.
 *
 * A file that is deleted meanwhile says what was read before. */
export async function readDetails(file) {
  const kinds = [...Object.keys(SIGNS), "point", "preview"];
  const found = Object.fromEntries(kinds.map((kind) => [kind, []]));
  try {
    for await (const [format, bytes] of findBlocks(file)) READERS[format](bytes, found);
  } catch {
    // Nothing more can be read.
  }
  const { orientation, colours, ...values } = found;
  return { details: describe(values), orientation, colours };
}

// ---- Reading -----------------------------------------------------------------------------------

const READERS = { exif: readExif, xmp: readXmp, text: readText, frame: readFrame };

function add(found, kind, value) {
  const text = value.split("\0")[0].replace(/\p{C}+/gu, " ").trim();
  const values = found[kind];
  const isKnown = values.some((other) => other.includes(text) || text.includes(other));
  // A clock that was never set writes zeros.
  if (!isKnown && values.length < MAX_VALUES && /[^\s:0]/.test(text)) values.push(text);
}

/** The directories of EXIF (Exif 2.32, 4.6.2). */
function readExif(bytes, found) {
  if (!/^(?:II\*\0|MM\0\*)/.test(bytes.text(0, 4))) return;
  const isLittle = bytes.text(0, 1) === "I";
  const number = (at, size) => bytes.number(at, size, isLittle);
  const readDirectory = (at = NaN) => {
    const count = Math.min(number(at, 2), MAX_TAGS);
    const tags = new Map([["next", number(at + 2 + 12 * count, 4)]]);
    for (let entry = at + 2; entry < at + 2 + 12 * count; entry += 12) {
      const size = TYPE_SIZES[number(entry + 2, 2)] * number(entry + 4, 4);
      const place = size > 4 ? number(entry + 8, 4) : entry + 8;
      tags.set(number(entry, 2), { place, size, value: number(entry + 8, 4) });
    }
    return tags;
  };
  const first = readDirectory(number(4, 4));
  const more = readDirectory(first.get(EXIF_POINTER)?.value);
  for (const [kind, signs] of Object.entries(SIGNS)) {
    for (const sign of signs) {
      const tag = first.get(sign) ?? more.get(sign);
      if (tag) add(found, kind, bytes.text(tag.place, Math.min(tag.size, MAX_LENGTH)));
    }
  }
  found.orientation ||= number(first.get(ORIENTATION)?.place, 2);
  if (readDirectory(first.get("next") || NaN).has(THUMBNAIL)) {
    found.preview = [getText("tells-preview")];
  }
  const gps = readDirectory(first.get(GPS_POINTER)?.value);
  const readAngle = (tag, negative) => {
    const place = gps.get(tag)?.place;
    const parts = [0, 8, 16].map((n) => number(place + n, 4) / number(place + n + 4, 4));
    const angle = parts[0] + (parts[1] || 0) / 60 + (parts[2] || 0) / 3600;
    return bytes.text(gps.get(tag - 1)?.place, 1) === negative ? -angle : angle;
  };
  setPoint(found, readAngle(2, "S"), readAngle(4, "W"));
}

/** Cameras without reception write zeros. */
function setPoint(found, latitude, longitude) {
  const isPoint = Math.abs(latitude) <= 90 && Math.abs(longitude) <= 180;
  if (isPoint && (latitude || longitude)) found.point = [latitude, longitude];
}

// What stands between the name of a property and its value. Each part is bounded, so that no text
// takes long.
const ATTRIBUTE = String.raw`\s{0,9}=\s{0,9}(["'])((?:(?!\1)[^<]){1,${MAX_LENGTH}})`;
const ELEMENT = String.raw`(?:\s[^>]{0,99})?>(?:\s{0,99}<[^/>]{1,99}>){0,3}([^<]{1,${MAX_LENGTH}})`;

/** XMP: properties are attributes or elements (ISO 16684-1, 7). */
function readXmp(bytes, found) {
  const text = bytes.text(0);
  const find = (name) => {
    const pattern = new RegExp(`[<\\s]${name}(?:${ATTRIBUTE}|${ELEMENT})`);
    const [, , attribute, element] = pattern.exec(text) ?? [];
    const value = attribute ?? element ?? "";
    // Without `<`, only its entities are replaced.
    return new DOMParser().parseFromString(value, "text/html").body.textContent;
  };
  for (const [kind, signs] of Object.entries(SIGNS)) {
    for (const sign of signs) if (/:/.test(sign)) add(found, kind, find(sign));
  }
  const readAngle = (name) => {
    const match = /^(\d+),([\d.]+),?([\d.]*)([NSEW])$/.exec(find(name));
    const angle = match ? Number(match[1]) + match[2] / 60 + match[3] / 3600 : NaN;
    return /[SW]/.test(match?.[4]) ? -angle : angle;
  };
  setPoint(found, readAngle("exif:GPSLatitude"), readAngle("exif:GPSLongitude"));
}

/** The text chunks of a PNG (PNG 3, 11.3.3): a keyword, and a text that may be compressed. */
function readText(bytes, found) {
  const [keyword, ...rest] = bytes.text(0).split("\0");
  if (keyword === "XML:com.adobe.xmp") return readXmp(bytes, found);
  if (!rest.length || rest[0] === "\x01") return;
  for (const [kind, signs] of Object.entries(SIGNS)) {
    if (signs.includes(keyword)) add(found, kind, rest.at(-1).slice(0, MAX_LENGTH));
  }
}

/** The first frame of a JPEG (ITU T.81, B.2.2). */
function readFrame(bytes, found) {
  found.colours ??= bytes.number(5, 1);
}

// ---- In words ----------------------------------------------------------------------------------

const language = document.documentElement.lang;
const capitalize = ([first, ...rest]) => first.toLocaleUpperCase(language) + rest.join("");

function describe({ point, place, date, make: [make = ""], model: [model = ""], ...found }) {
  const values = {
    place: [...describePoint(point), ...place],
    date: date.slice(0, 1).map(describeDate),
    camera: [model.startsWith(make) ? model : `${make} ${model}`].filter((name) => name.trim()),
    ...found,
  };
  return Object.entries(values).filter(([, { length }]) => length);
}

function describePoint(point) {
  // Four decimals are some ten metres.
  const style = { style: "unit", unit: "degree", unitDisplay: "narrow", maximumFractionDigits: 4 };
  const { format } = new Intl.NumberFormat(language, style);
  return point.length ? [point.map(format).join(", ")] : [];
}

/** Cameras write the time of the place without its zone. */
function describeDate(text) {
  const match = /^(\d{4})[:-](\d\d)[:-](\d\d)[T ](\d\d):(\d\d)/.exec(text);
  if (!match) return text;
  const [year, month, ...rest] = match.slice(1).map(Number);
  const style = { dateStyle: "long", timeStyle: "short", timeZone: "UTC" };
  return new Intl.DateTimeFormat(language, style).format(Date.UTC(year, month - 1, ...rest));
}

/** Show details, if they were read: struck out, unless the whole photo is to be sent. */
export function renderDetails(details, isWhole) {
  byId("tells").replaceChildren();
  if (!details) return;
  const make = (name, ...content) => {
    const element = document.createElement(name);
    element.append(...content);
    return element;
  };
  const describeValue = (value) => {
    const text = make(isWhole ? "span" : "del", value);
    text.dir = "auto"; // It may be in another language than the page.
    if (isWhole) return make("dd", text);
    const note = make("span", ` ${getText("tells-stays")}`);
    note.className = "unseen";
    return make("dd", text, note);
  };
  const list = details.flatMap(([kind, values]) => [
    make("dt", capitalize(getText(kind))),
    ...values.map(describeValue),
  ]);
  const title = details.length ? `tells-${isWhole ? "sent" : "cut"}` : "tells-none";
  byId("tells").append(make("p", getText(title)));
  if (details.length) byId("tells").append(make("dl", ...list));
}
