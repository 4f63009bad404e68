/**
 * A form is sent once, however often its button is clicked. The server refuses a second one as well; this spares the
 * person a message about it.
 */
for (const form of document.querySelectorAll("form[data-once], #announcement_form, #servicekey_form")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
  });
}

// Back from the next page, the form is whole again.
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});

// Work too long for one request: its answer is a form that asks for more, until another page comes.
document.querySelector("form[data-goes-on]")?.requestSubmit();
