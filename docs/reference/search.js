// entries: [name, kind, address, text, words of the whole text] of every symbol, header and heading, written before this by make_site.py.
(function () {
  const field = document.getElementById("search");
  const list = document.getElementById("results");
  const up = document.body.dataset.up;
  const empty = new Set("a after and are do for from get how i in is my of on or the to what with".split(" "));
  let chosen = -1;

  // Higher is better; the sum over words of how well each is met. Words that are met nowhere cost.
  function score(entry, words) {
    const name = entry[0].toLowerCase();
    const text = entry[3].toLowerCase();
    let sum = 0;
    let met = 0;
    for (const word of words) {
      const at = name.indexOf(word);
      let points = 0;
      if (name === word) points = 100;
      else if (at === 0) points = 50;
      else if (at > 0) points = /[_/ ]/.test(name[at - 1]) ? 35 : 20;
      else if (text.includes(word)) points = 12;
      else if (entry[4].includes(word)) points = 5;
      if (points > 0) met += 1;
      sum += points;
    }
    if (met === 0 || met < words.length - 1) return 0;
    // A field that only its struct's name meets comes after what has more to say.
    const kinds = { class: 6, struct: 6, concept: 5, function: 4, guide: 3, header: 3, field: -8, value: -8 };
    return sum * (met / words.length) ** 3 + (kinds[entry[1]] || 0) - entry[0].length / 100;
  }

  function show() {
    const words = field.value.toLowerCase().split(/[\s:()?]+/).filter((word) => word && !empty.has(word));
    chosen = -1;
    list.replaceChildren();
    list.hidden = words.length === 0;
    if (list.hidden) return;
    const found = entries
      .map((entry) => [score(entry, words), entry])
      .filter(([points]) => points > 0)
      .sort((a, b) => b[0] - a[0])
      .slice(0, 20);
    for (const [, [name, kind, address, text]] of found) {
      const link = document.createElement("a");
      link.href = up + address;
      const title = document.createElement("b");
      title.textContent = name;
      const what = document.createElement("i");
      what.textContent = kind;
      const more = document.createElement("span");
      more.textContent = text;
      link.append(title, " ", what, more);
      const item = document.createElement("li");
      item.append(link);
      list.append(item);
    }
    if (found.length === 0) {
      const none = document.createElement("li");
      none.textContent = "Nothing found";
      list.append(none);
    }
  }

  function choose(step) {
    const links = list.querySelectorAll("a");
    if (links.length === 0) return;
    if (chosen >= 0) links[chosen].classList.remove("chosen");
    chosen = (chosen + step + links.length) % links.length;
    links[chosen].classList.add("chosen");
    links[chosen].scrollIntoView({ block: "nearest" });
  }

  field.addEventListener("input", show);
  field.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") choose(1);
    else if (event.key === "ArrowUp") choose(-1);
    else if (event.key === "Enter") {
      const links = list.querySelectorAll("a");
      if (links.length > 0) window.location.href = links[Math.max(chosen, 0)].href;
    } else if (event.key === "Escape") {
      field.value = "";
      show();
      field.blur();
    } else return;
    event.preventDefault();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && document.activeElement !== field) {
      event.preventDefault();
      field.focus();
    }
  });
  document.addEventListener("click", (event) => {
    if (!event.target.closest(".search")) list.hidden = true;
  });

  const menu = document.getElementById("menu");
  menu.addEventListener("click", () => {
    const open = document.body.classList.toggle("menu");
    menu.setAttribute("aria-expanded", open);
  });
  const here = document.querySelector("#sidebar .here");
  const sidebar = document.getElementById("sidebar");
  if (here) sidebar.scrollTop = here.offsetTop - sidebar.offsetTop - sidebar.clientHeight / 2;

  // The same from the address, so that a search can be linked to.
  const query = new URLSearchParams(window.location.search).get("q");
  if (query) {
    field.value = query;
    show();
  }
})();
