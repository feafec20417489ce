// The film: its addresses, its player, and after the auction the replay that shows each bid at its moment.

import { session } from "/watch/assets/watch-api.js";

const API = "/api/v1";
const HLS = "application/vnd.apple.mpegurl";
const TRIES = 5;

/** The film of an auction in the page's <video>; `shown(cue)` is told what a replay has come to, null between bids. */
export class Film {
  constructor(video, section, shown) {
    this.video = video;
    this.section = section;
    this.shown = shown;
    this.player = null;
    this.tries = 0;
  }

  /** Where the viewer is in the film, in ms, or null when it does not play. */
  seenMs() {
    return this.section.hidden || this.video.readyState < 2 || this.video.paused ? null : Math.round(this.video.currentTime * 1000);
  }

  async show(videoId) {
    this.videoId = videoId;
    const stream = await this.addresses();
    this.section.hidden = !stream;
    if (!stream) return this.stop();
    if (stream.posterUrl && !this.video.poster) this.video.poster = stream.posterUrl;
    await this.play(stream.url);
  }

  /** Signed addresses, or null for who may not watch or when there is nothing to watch. */
  async addresses() {
    const token = session.get()?.accessToken;
    const headers = token ? { Authorization: `Bearer ${token}` } : {};
    const answer = await fetch(`${API}/videos/${this.videoId}/stream`, { headers, cache: "no-store" }).catch(() => null);
    return answer?.ok ? answer.json() : null;
  }

  async play(url) {
    const at = this.video.currentTime;
    const { default: Hls } = await import("/watch/assets/hls.js").catch(() => ({ default: null }));
    if (!Hls?.isSupported()) {
      this.section.hidden = !this.video.canPlayType(HLS);
      this.video.src = url;
      return;
    }
    this.stop();
    this.player = new Hls({ enableWorker: false, startPosition: at || -1 });
    this.player.on(Hls.Events.ERROR, (_, { fatal, type }) => fatal && this.recover(type === Hls.ErrorTypes.MEDIA_ERROR));
    this.player.on(Hls.Events.FRAG_BUFFERED, () => (this.tries = 0));
    this.player.loadSource(url);
    this.player.attachMedia(this.video);
  }

  /** Addresses do not last for ever: new ones, and on where it stopped. A film that was withdrawn has none. */
  async recover(isDecoding) {
    this.tries += 1;
    if (isDecoding && this.tries < TRIES) return this.player.recoverMediaError();
    if (this.tries < TRIES) return this.show(this.videoId);
    this.stop();
    this.section.hidden = true;
  }

  stop() {
    this.player?.destroy();
    this.player = null;
  }

  /** From now on the film shows what was bid when (WebVTT metadata). */
  replay(auctionId) {
    if (this.track) return;
    this.track = Object.assign(document.createElement("track"), { kind: "metadata", src: `${API}/auctions/${auctionId}/timeline` });
    this.video.append(this.track);
    this.track.track.mode = "hidden";
    this.track.track.addEventListener("cuechange", ({ target }) => {
      const cue = target.activeCues?.[target.activeCues.length - 1];
      this.shown(cue ? JSON.parse(cue.text) : null);
    });
  }
}
