// The camera of a computer. It is on from a click until a picture is taken or its view is left.

import { canCut } from "./cut.js";
import { announce, byId, getText } from "./page.js";

const video = byId("live");
const WANTED = { facingMode: "user", width: { ideal: 1920 }, height: { ideal: 1080 } };

/** Show what the camera sees; return the picture that is taken. Throw where there is none. */
export async function takePicture(signal, show) {
  // Against fingerprinting, some browsers return noise instead of a picture.
  if (!(await canCut())) throw new DOMException("No pictures can be read here.", "SecurityError");
  signal.throwIfAborted();
  announce(getText("camera-asking"), true);
  const stream = await navigator.mediaDevices.getUserMedia({ video: WANTED });
  const [track] = stream.getTracks();
  try {
    signal.throwIfAborted(); // The visitor may have gone on before allowing the camera.
    video.srcObject = stream;
    await video.play();
    signal.throwIfAborted();
    show();
    announce(getText("camera-on"));
    await new Promise((resolve, reject) => {
      byId("shutter").onclick = resolve;
      signal.onabort = () => reject(signal.reason);
      track.onended = () => reject(new DOMException("It was unplugged.", "NotFoundError"));
    });
    const picture = await draw();
    if (!picture) throw new Error("The picture cannot be encoded.");
    return picture;
  } finally {
    track.stop();
    // It may show the stream of a later click by now.
    if (video.srcObject === stream) video.srcObject = null;
  }
}

/** Return what the camera sees, as others see it: the view is a mirror, and the picture is not. */
function draw() {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  canvas.getContext("2d").drawImage(video, 0, 0);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.95));
}
