// "Show more people" adds the people of the next page to those who are there.
const pages = document.querySelector(".pages");
const people = document.querySelector(".people");
const findNext = () => pages.querySelector("[rel=next]");
let added = 0; // pages

function rename() {
  const next = findNext();
  if (next) next.textContent = pages.dataset.more;
}

/** Add the next page; return its first person. Until it is there, its link does nothing. */
async function add(link) {
  link.setAttribute("aria-disabled", "true");
  try {
    const answer = await fetch(link.href);
    if (!answer.ok) throw new Error(answer.status);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const next = page.querySelector(".pages [rel=next]");
    const more = [...page.querySelectorAll(".people > li")];
    people.append(...more);
    if (next) link.replaceWith(next);
    else link.remove();
    rename();
    added += 1;
    return more[0];
  } catch (error) {
    link.removeAttribute("aria-disabled"); // The browser may come back to this page as it is.
    throw error;
  }
}

/** Add the same pages again where the browser did not keep this one, as it does not for members. */
async function restore({ added: wanted, y }) {
  while (added < wanted && findNext()) await add(findNext());
  scrollTo(0, y);
}

pages.addEventListener("click", async (event) => {
  const link = event.target.closest("[rel=next]");
  if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  if (link.ariaDisabled) return;
  try {
    const newest = (await add(link)) ?? people.lastElementChild;
    newest?.querySelector("a").focus({ preventScroll: true });
  } catch {
    location.assign(link.href); // The page itself says what is wrong.
  }
});

people.addEventListener("click", () => {
  if (added) history.replaceState({ added, y: scrollY }, "");
});

rename();
if (history.state?.added) {
  restore(history.state).catch(() => {}); // Without a connection, "Show more people" stays.
  history.replaceState(null, ""); // A reload begins at the first page.
}
