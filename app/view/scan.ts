/** Reads QR codes from the camera or a picture: by the browser where it can, else by jsqr, loaded when first needed. */

/** Not in the DOM types yet. */
type Detector = { detect(source: ImageBitmapSource): Promise<readonly { readonly rawValue: string }[]> };
type DetectorClass = { new (options: { formats: readonly string[] }): Detector; getSupportedFormats(): Promise<readonly string[]> };
declare global {
  interface Window {
    readonly BarcodeDetector?: DetectorClass;
  }
}

export type Reader = (source: ImageBitmap | HTMLVideoElement) => Promise<string | null>;
const LARGEST_SIDE = 1024;

function pixels(source: ImageBitmap | HTMLVideoElement): ImageData | null {
  const [w, h] = source instanceof HTMLVideoElement ? [source.videoWidth, source.videoHeight] : [source.width, source.height];
  if (w === 0 || h === 0) return null;
  const scale = Math.min(1, LARGEST_SIDE / Math.max(w, h));
  const canvas = new OffscreenCanvas(Math.round(w * scale), Math.round(h * scale));
  const context = canvas.getContext('2d', { willReadFrequently: true });
  context?.drawImage(source, 0, 0, canvas.width, canvas.height);
  return context?.getImageData(0, 0, canvas.width, canvas.height) ?? null;
}

export async function makeReader(): Promise<Reader> {
  const Native = window.BarcodeDetector;
  if (Native && (await Native.getSupportedFormats().catch((): readonly string[] => [])).includes('qr_code')) {
    const detector = new Native({ formats: ['qr_code'] });
    return async (source) => (await detector.detect(source))[0]?.rawValue ?? null;
  }
  const { default: jsqr } = await import('jsqr');
  return async (source) => {
    const image = pixels(source);
    return image ? (jsqr(image.data, image.width, image.height)?.data ?? null) : null;
  };
}

export async function readPicture(file: Blob): Promise<string | null> {
  const [reader, bitmap] = await Promise.all([makeReader(), createImageBitmap(file)]);
  try {
    return await reader(bitmap);
  } finally {
    bitmap.close();
  }
}

/** Shows the camera in `video` until a code is read or `signal` ends it. Rejects when the camera may not be used. */
export async function scanCamera(video: HTMLVideoElement, signal: AbortSignal): Promise<string | null> {
  const [reader, stream] = await Promise.all([makeReader(), navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' } })]);
  try {
    video.srcObject = stream;
    await video.play();
    while (!signal.aborted) {
      const text = await reader(video);
      if (text) return text;
      await new Promise((resolve) => setTimeout(resolve, 120));
    }
    return null;
  } finally {
    for (const track of stream.getTracks()) track.stop();
    video.srcObject = null;
  }
}
