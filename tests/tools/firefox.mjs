// Firefox for the tests, by WebDriver BiDi: for each line of its input, a call as a JSON array, it
// prints a line with the answer. It ends with its input. Its argument is the path of Firefox.
import { createInterface } from "node:readline";
import puppeteer from "puppeteer-core";

const browser = await puppeteer.launch({ browser: "firefox", executablePath: process.argv[2] });
const page = await browser.newPage();
await page.setViewport({ width: 1280, height: 900 });

/** Move the mouse to the middle of an element, and return where that is. */
async function pointAt(selector) {
  const { x, y, width, height } = await (await page.$(selector)).boundingBox();
  const middle = [x + width / 2, y + height / 2];
  await page.mouse.move(...middle);
  return middle;
}

const CALLS = {
  go: (url) => page.goto(url),
  run: (script) => page.evaluate(script),
  click: (selector) => page.click(selector),
  type: (selector, text) => page.type(selector, text),
  choose: async (selector, file) => (await page.$(selector)).uploadFile(file),
  press: async (selector, keys) => {
    await page.focus(selector);
    for (const key of keys) await page.keyboard.press(key);
  },
  drag: async (selector, right, down) => {
    const [x, y] = await pointAt(selector);
    await page.mouse.down();
    await page.mouse.move(x + right, y + down, { steps: 5 });
    await page.mouse.up();
  },
  turnWheel: async (selector, down) => {
    await pointAt(selector);
    await page.mouse.wheel({ deltaY: down });
  },
  forget: async () => browser.deleteCookie(...(await browser.cookies())),
};

try {
  for await (const line of createInterface({ input: process.stdin })) {
    const [name, ...facts] = JSON.parse(line);
    const answer = await CALLS[name](...facts).then(
      (value) => ({ value: name === "run" ? value : null }),
      (error) => ({ error: String(error) }),
    );
    console.log(JSON.stringify(answer));
  }
} finally {
  await browser.close();
}
