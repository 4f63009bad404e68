/** Beside the form of a draft: how many characters are written of how many. */
const LIMITS = document.querySelectorAll("#announcement_form [data-most]");

/** Characters as the server counts them: code points, a line break being one. */
const length = (text) => [...text.trim()].length;

for (const field of LIMITS) {
  const most = Number(field.dataset.most);
  const counter = document.createElement("span");
  counter.className = "counter";
  const show = () => {
    const count = length(field.value);
    counter.textContent = `${count} / ${most}`;
    counter.classList.toggle("over", count > most);
  };
  field.after(counter);
  field.addEventListener("input", show);
  show();
}
