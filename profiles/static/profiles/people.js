// "Show more people" adds the people of the next page to those who are there.
const pages = document.querySelector(".pages");
const people = document.querySelector(".people");

function rename() {
  const next = pages.querySelector("[rel=next]");
  if (next) next.textContent = pages.dataset.more;
}

async function add(link) {
  link.setAttribute("aria-disabled", "true");
  const answer = await fetch(link.href);
  if (!answer.ok) throw new Error(answer.status);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const next = page.querySelector(".pages [rel=next]");
  const more = [...page.querySelectorAll(".people > li")];
  people.append(...more);
  if (next) link.replaceWith(next);
  else link.remove();
  rename();
  const newest = more[0] ?? people.lastElementChild;
  newest?.querySelector("a").focus({ preventScroll: true });
}

pages.addEventListener("click", (event) => {
  const link = event.target.closest("[rel=next]");
  if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  if (link.ariaDisabled) return;
  add(link).catch(() => {
    link.removeAttribute("aria-disabled"); // The browser may come back to this page as it is.
    location.assign(link.href); // The page itself says what is wrong.
  });
});
rename();
