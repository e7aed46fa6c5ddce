// The drawing of the lesson: follows a file from place to place.
const roads = document.querySelector(".roads");
const starts = roads.querySelector(".walk-starts");
const panel = roads.querySelector(".walk");
const text = panel.querySelector(".walk-text"); // A live region: it is filled once for each place.
const code = panel.querySelector(".walk-code");
const [back, next] = panel.querySelectorAll("[data-walk]");
const ring = Object.assign(document.createElement("div"), { className: "ring" });
const HEADERS = ["Content-Type", "Content-Encoding", "Cache-Control"];
const answers = new Map(); // by URL
let kind; // of the file that is followed
let number = 0;

/** Return the places of a road, in the state that is shown. */
function findStops() {
  const state = roads.querySelector("[name=state]:checked").value;
  return [...roads.querySelectorAll(`.${state} .road-${kind} li`)];
}

function format(count) {
  return count.toLocaleString(document.documentElement.lang);
}

function show() {
  const stops = findStops();
  const stop = stops[number];
  panel.hidden = false;
  const heading = document.createElement("h3");
  heading.textContent = text.dataset.place
    .replace("{number}", format(number + 1))
    .replace("{count}", format(stops.length))
    .replace("{place}", stop.querySelector("b").textContent);
  const [says, line] = stop.querySelector(".step").cloneNode(true).children;
  text.replaceChildren(heading, says);
  code.replaceChildren(line);
  if (line.dataset.url) addHeaders(line);
  back.disabled = number === 0;
  next.disabled = number === stops.length - 1;
  leave();
  enter(stop);
}

function enter(stop) {
  stop.classList.add("here");
  stop.querySelector("a").setAttribute("aria-current", "step");
  surround(stop);
  panel.scrollIntoView({ block: "nearest" });
  stop.scrollIntoView({ block: "nearest" });
}

function leave() {
  for (const stop of roads.querySelectorAll(".road .here")) {
    stop.classList.remove("here");
    stop.querySelector("a").removeAttribute("aria-current");
  }
}

/** Let the ring glide around a place. */
function surround(stop) {
  const map = stop.closest(".map");
  if (ring.parentNode !== map) map.append(ring);
  const [from, to] = [map, stop.querySelector(".node")].map((one) => one.getBoundingClientRect());
  ring.style.translate = `${to.left - from.left - 6}px ${to.top - from.top - 6}px`;
}

/** Add the headers that the file has now. Where another host serves it, they may be unknown. */
async function addHeaders(line) {
  const { url } = line.dataset;
  if (!answers.has(url)) answers.set(url, fetch(url, { method: "HEAD" }).catch(() => null));
  const answer = await answers.get(url);
  if (!answer?.ok) return;
  const known = HEADERS.filter((header) => answer.headers.has(header));
  const lines = known.map((header) => `${header}: ${answer.headers.get(header)}`);
  line.firstChild.textContent = [line.textContent, "", ...lines].join("\n");
}

function follow(button) {
  kind = button.dataset.follow;
  number = 0;
  show();
  next.focus({ preventScroll: true });
}

function go(step) {
  const place = Math.max(0, Math.min(number + step, findStops().length - 1));
  if (place === number) return;
  number = place;
  show();
  // A button that was disabled has lost the focus.
  if (document.activeElement.disabled || document.activeElement === document.body) {
    (next.disabled ? back : next).focus({ preventScroll: true });
  }
}

/** Stay at the same place where the road has it in the other state, too. */
function change() {
  const drawing = roads.querySelector(".road .here").dataset.drawing;
  const place = findStops().findIndex((stop) => stop.dataset.drawing === drawing);
  number = Math.max(0, place);
  show();
}

function end() {
  leave();
  ring.remove();
  panel.hidden = true;
  starts.querySelector(`[data-follow=${kind}]`).focus();
}

for (const button of starts.children) {
  button.addEventListener("click", () => follow(button));
}
for (const button of panel.querySelectorAll("[data-walk]")) {
  const step = Number(button.dataset.walk);
  button.addEventListener("click", () => (step ? go(step) : end()));
}
panel.addEventListener("keydown", (event) => {
  const forward = document.documentElement.dir === "rtl" ? "ArrowLeft" : "ArrowRight";
  const isStep = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"].includes(event.key);
  if (event.key === "Escape") end();
  if (!isStep) return;
  event.preventDefault();
  go([forward, "ArrowDown"].includes(event.key) ? 1 : -1);
});
for (const state of roads.querySelectorAll("[name=state]")) {
  state.addEventListener("change", () => panel.hidden || change());
}
addEventListener("resize", () => panel.hidden || surround(roads.querySelector(".road .here")));
starts.hidden = false;
