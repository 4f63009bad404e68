/**
 * Forms with `data-stay` are sent without leaving the page: the answer's `<main>` takes the place of this one. So the
 * header lives on, and with it the bell's socket, and what the form sets off pops up at once. Without JavaScript they are
 * ordinary forms.
 */
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches("form[data-stay]")) return;
  event.preventDefault();
  // XMLHttpRequest, because it gives a parsed document: under Trusted Types no string may be made into one here.
  const request = new XMLHttpRequest();
  request.open("POST", form.action);
  request.responseType = "document";
  const body = new FormData(form, event.submitter);
  const buttons = [...form.querySelectorAll("button")];
  for (const button of buttons) button.disabled = true;
  request.onloadend = () => {
    for (const button of buttons) button.disabled = false;
    const answer = request.response;
    const main = answer?.querySelector("main");
    if (!main) {
      // The node is away, or answered with something else: the browser's own way shows what it is.
      form.removeAttribute("data-stay");
      form.requestSubmit(event.submitter);
    } else if (answer.body.dataset.user !== document.body.dataset.user) {
      // Signed out meanwhile: the whole page is another one.
      location.assign(request.responseURL);
    } else {
      document.title = answer.title;
      history.pushState(null, "", request.responseURL);
      document.querySelector("main").replaceWith(document.adoptNode(main));
      document.querySelector("main").focus({ preventScroll: true });
      scrollTo(0, 0);
    }
  };
  request.send(body);
});

// The pages that were put together above are loaded whole when the user goes back to them.
addEventListener("popstate", () => location.reload());
