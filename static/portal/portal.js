// Small conveniences. Every page works without this file.
(() => {
  const root = document.documentElement;
  const announce = (text) => {
    const region = document.getElementById("announcements");
    if (region) region.textContent = text;
  };

  const isDark = () =>
    root.dataset.theme
      ? root.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;

  const toggleTheme = () => {
    const theme = isDark() ? "light" : "dark";
    root.dataset.theme = theme;
    try {
      localStorage.setItem("tollgate-theme", theme);
    } catch {
      // Not remembered; it still holds for this page.
    }
    announce(`${theme === "dark" ? "Dark" : "Light"} theme`);
  };

  const toggleNav = (button) => {
    const nav = document.getElementById(button.getAttribute("aria-controls"));
    const isOpen = nav.classList.toggle("is-open");
    button.setAttribute("aria-expanded", String(isOpen));
  };

  const copy = async (button) => {
    const source = document.getElementById(button.dataset.copy);
    const label = button.querySelector("[data-label]");
    try {
      await navigator.clipboard.writeText(source.textContent.trim());
      label.textContent = "Copied";
      announce("Copied to the clipboard");
    } catch {
      // No clipboard (plain http on another host): select it, so that Ctrl-C works.
      getSelection().selectAllChildren(source);
      label.textContent = "Selected";
      announce("Selected. Press Control C to copy.");
    }
    setTimeout(() => {
      label.textContent = "Copy";
    }, 2000);
  };

  document.addEventListener("click", (event) => {
    const target = event.target.closest("button");
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
    if (!target) return;
    if (target.hasAttribute("data-theme-toggle")) toggleTheme();
    else if (target.hasAttribute("data-nav-toggle")) toggleNav(target);
    else if (target.dataset.copy) copy(target);
    else if (target.hasAttribute("data-print")) print();
  });

  // Charts: left and right read the hours one by one.
  const readBar = (figure, bar) => {
    for (const other of figure.querySelectorAll(".bar.is-read")) other.classList.remove("is-read");
    if (!bar) return;
    bar.classList.add("is-read");
    figure.querySelector(".chart-readout").textContent = bar.querySelector("title").textContent;
  };

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      const menu = document.querySelector("details.menu[open]");
      if (menu) {
        menu.open = false;
        menu.querySelector("summary").focus();
      }
      return;
    }
    const chart = event.target.closest?.(".chart");
    if (!chart || !["ArrowLeft", "ArrowRight", "Home", "End"].includes(event.key)) return;
    event.preventDefault();
    const bars = [...chart.querySelectorAll(".bar")];
    const at = bars.findIndex((bar) => bar.classList.contains("is-read"));
    const next = {
      ArrowLeft: at < 0 ? bars.length - 1 : Math.max(at - 1, 0),
      ArrowRight: Math.min(at + 1, bars.length - 1),
      Home: 0,
      End: bars.length - 1,
    }[event.key];
    readBar(chart.closest("figure"), bars[next]);
  });

  document.addEventListener("pointerover", (event) => {
    const bar = event.target.closest?.(".bar");
    if (bar) readBar(bar.closest("figure"), bar);
  });

  // A page that shows a secret leaves no address that shows, or makes, it again.
  const once = document.querySelector("[data-replace-url]");
  if (once) history.replaceState(null, "", once.dataset.replaceUrl);
})();
