// Runs in every document before its own scripts. What is wrong goes to the console as an error,
// where the test listens; so every page that a test visits is audited, however it got there.
(() => {
  "use strict";
  const complain = (words) => console.error(`page audit: ${words} (${location.pathname})`);
  const all = (selector) => [...document.querySelectorAll(selector)];
  const isShown = (element) => element.getClientRects().length > 0;
  // Admin's markup is django-unfold's: its landmarks, labels and references are not ours to mend.
  const isOurs = !location.pathname.startsWith("/admin/");
  const show = (element) => element.outerHTML.slice(0, 160);

  document.addEventListener("securitypolicyviolation", (event) =>
    complain(`Content-Security-Policy refused ${event.violatedDirective} ${event.blockedURI}`),
  );

  const referenced = (element, attribute) =>
    (element.getAttribute(attribute) || "").split(/\s+/).filter(Boolean);

  const nameOf = (element) => {
    const labelled = referenced(element, "aria-labelledby").map((id) => document.getElementById(id));
    const texts = [
      element.getAttribute("aria-label"),
      element.title,
      ...labelled.map((label) => label && label.textContent),
      ...[...(element.labels || [])].map((label) => label.textContent),
    ];
    if (element.matches("a, button, summary")) texts.push(element.textContent);
    for (const image of element.querySelectorAll("img[alt]")) texts.push(image.alt);
    if (element.matches("input[type=submit], input[type=button]")) texts.push(element.value);
    return texts.filter(Boolean).join(" ").trim();
  };

  const auditDocument = () => {
    const headings = all("h1").filter(isShown).length;
    if (headings !== 1) complain(`${headings} h1`);
    if (!document.title.trim()) complain("no title");
    if (!document.documentElement.lang) complain("no lang attribute");
  };

  const auditLandmarks = () => {
    if (!document.querySelector("main, [role=main]")) complain("no main landmark");
  };

  const auditNames = () => {
    const controls = "input:not([type=hidden]), select, textarea, button, a[href], summary";
    for (const control of all(controls).filter(isShown))
      if (!nameOf(control)) complain(`no label on ${show(control)}`);
    for (const image of all("img:not([alt])")) complain(`no alt on ${show(image)}`);
  };

  const auditReferences = () => {
    const seen = new Set();
    for (const { id } of all("[id]")) {
      if (seen.has(id)) complain(`the id ${id} twice`);
      seen.add(id);
    }
    for (const attribute of ["aria-labelledby", "aria-describedby", "aria-controls", "for"])
      for (const element of all(`[${attribute}]`))
        for (const id of referenced(element, attribute))
          if (!seen.has(id)) complain(`${attribute} names ${id}, which is not there`);
  };

  const auditWidth = () => {
    const { scrollWidth, clientWidth } = document.documentElement;
    if (scrollWidth > clientWidth) complain(`${scrollWidth - clientWidth} px too wide`);
  };

  const everywhere = [auditDocument, auditWidth];
  const onOurPages = [auditLandmarks, auditNames, auditReferences];
  const audit = () => [...everywhere, ...(isOurs ? onOurPages : [])].forEach((part) => part());
  addEventListener("load", () => {
    if (document.contentType === "text/html") audit();
  });
  document.addEventListener("htmx:afterSettle", audit);
})();
