/** A short sound, made rather than loaded. */

/** @type {AudioContext|null} */
let audio = null;

/** Two soft tones. A browser stays silent until the user has used the page. */
export function chime() {
  try {
    audio ??= new AudioContext();
    for (const [at, pitch] of [[0, 660], [0.12, 880]]) {
      const tone = audio.createOscillator();
      const volume = audio.createGain();
      const start = audio.currentTime + at;
      tone.frequency.value = pitch;
      volume.gain.setValueAtTime(0.06, start);
      volume.gain.exponentialRampToValueAtTime(0.0001, start + 0.25);
      tone.connect(volume).connect(audio.destination);
      tone.start(start);
      tone.stop(start + 0.25);
    }
  } catch {
    // No sound to be had: the popup says it all.
  }
}
