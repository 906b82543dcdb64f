//! The status page in a real browser: it fits the window, can be read by light and by dark, and its style gets past its
//! own policy. Needs Chromium and a font with Japanese.

#![expect(clippy::unwrap_used, reason = "tests, where a panic is the report")]

#[path = "roll_call/world.rs"]
#[allow(dead_code, reason = "this test uses its part")]
mod world;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tenko::config::PublishOptions;
use tenko_core::Kind;
use tenko_core::message::Language;
use world::{FAILED, World, slug};

/// Looks at each page in frames of several widths, and writes what it finds into an attribute of its own.
const LOOK: &str = r#"<!DOCTYPE html><meta charset="utf-8"><body><script>
const found = [];
const channel = c => { c /= 255; return c <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4 };
const light = c => .2126 * channel(c[0]) + .7152 * channel(c[1]) + .0722 * channel(c[2]);
const colour = text => (text.match(/[\d.]+/g) || []).map(Number);
const behind = (view, node) => {
  for (let at = node; at; at = at.parentElement) {
    const c = colour(view.getComputedStyle(at).backgroundColor);
    if (c.length && c[3] !== 0) return c;
  }
  return [255, 255, 255];
};
const contrast = (view, node) => {
  const pair = [light(colour(view.getComputedStyle(node).color)), light(behind(view, node))].sort((a, b) => b - a);
  return (pair[0] + .05) / (pair[1] + .05);
};
function look(frame, width) {
  const view = frame.contentWindow, page = view.document;
  const shown = [...page.querySelectorAll('body *')].filter(node => !node.closest('thead') && !node.closest('.hidden'));
  const texts = shown.filter(node => [...node.childNodes].some(child => child.nodeType === 3 && child.data.trim()));
  const bars = [...page.querySelectorAll('.strip i')].map(node => node.getBoundingClientRect());
  found.push({
    page: frame.name, width,
    overflow: page.documentElement.scrollWidth - page.documentElement.clientWidth,
    outside: shown.filter(node => node.getBoundingClientRect().right > width + .5).map(node => node.className || node.tagName),
    dark: view.matchMedia('(prefers-color-scheme: dark)').matches,
    styled: view.getComputedStyle(page.body).maxWidth,
    contrast: Math.min(...texts.map(node => contrast(view, node))),
    smallest: Math.min(...texts.map(node => parseFloat(view.getComputedStyle(node).fontSize))),
    bars: bars.length, flat: bars.filter(box => box.width < 2 || box.height < 2).length,
    lang: page.documentElement.lang, title: page.title, scripts: page.scripts.length,
    headers: [...page.querySelectorAll('th')].every(cell => cell.scope && cell.getAttribute('role')),
    labelled: [...page.querySelectorAll('[role=img]')].every(node => node.getAttribute('aria-label')),
    heading: page.querySelectorAll('h1').length,
  });
}
const wanted = PAGES.flatMap(page => [320, 375, 768, 1280].map(width => [page, width]));
let left = wanted.length;
for (const [page, width] of wanted) {
  const frame = document.createElement('iframe');
  frame.name = page; frame.src = page; frame.style = `border:0;height:900px;width:${width}px`;
  frame.onload = () => { look(frame, width); if (--left === 0) document.body.dataset.found = encodeURIComponent(JSON.stringify(found)) };
  document.body.append(frame);
}
</script></body>"#;

struct Browser {
    place: tempfile::TempDir,
}

impl Browser {
    async fn with_pages() -> Self {
        let place = tempfile::tempdir().unwrap();
        for language in [Language::En, Language::Ja] {
            publish(&place.path().join(name(language)), language).await;
        }
        Self { place }
    }

    fn command(&self, dark: bool) -> Command {
        let mut command = Command::new("chromium");
        command.args(["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]);
        command.args(["--allow-file-access-from-files", "--virtual-time-budget=5000"]);
        command.arg(format!("--blink-settings=preferredColorScheme={}", u8::from(!dark)));
        let profile = format!("profile-{dark}-{}", uuid::Uuid::new_v4());
        command.arg(format!("--user-data-dir={}", self.place.path().join(profile).display()));
        command.env("HOME", self.place.path()).stderr(Stdio::null()).stdin(Stdio::null());
        command
    }

    /// What is found in frames of 320 to 1280 pixels.
    fn look(&self, dark: bool) -> Vec<Value> {
        let pages = [Language::En, Language::Ja].map(|language| format!("{}/index.html", name(language)));
        let wrapper = self.place.path().join("look.html");
        std::fs::write(&wrapper, LOOK.replace("PAGES", &serde_json::to_string(&pages).unwrap())).unwrap();
        let output = self.command(dark).arg("--dump-dom").arg(url(&wrapper)).output();
        let dom = String::from_utf8(output.expect("chromium is installed").stdout).unwrap();
        let (_, found) =
            dom.split_once("data-found=\"").unwrap_or_else(|| panic!("nothing was found: {dom}"));
        let found = found.split_once('"').unwrap().0;
        let query = format!("x={}", found.replace('+', "%2B"));
        let decoded = url::form_urlencoded::parse(query.as_bytes()).next().unwrap().1.into_owned();
        serde_json::from_str(&decoded).unwrap()
    }

    /// A picture of a page, as PNG.
    fn picture(&self, language: Language, dark: bool, (width, height): (u32, u32)) -> Vec<u8> {
        let picture = self.place.path().join("picture.png");
        let page = self.place.path().join(name(language)).join("index.html");
        let mut command = self.command(dark);
        command.arg(format!("--window-size={width},{height}"));
        command.arg(format!("--screenshot={}", picture.display())).arg(url(&page));
        assert!(command.output().expect("chromium is installed").status.success());
        std::fs::read(&picture).unwrap()
    }
}

fn name(language: Language) -> &'static str {
    if language == Language::Ja { "ja" } else { "en" }
}

fn url(path: &Path) -> String {
    format!("file://{}", path.display())
}

/// A morning with everything in it, and names as long as they may be.
async fn publish(place: &Path, language: Language) {
    let long = "n".repeat(100);
    let mut world = World::at("00:00").expect("backup", "*/10 * * * *").expect("import", "*/15 * * * *");
    world = world.expect("nightly-report", "0 * * * *").expect(&long, "*/20 * * * *");
    world.config.language = language;
    let jobs = &mut world.config.jobs;
    jobs.get_mut(&slug("backup")).unwrap().job.description = Some("Dump of the customer database".into());
    let hostile =
        "</style><script>document.title = 'bad'</script><img src=x onerror=\"document.title='bad'\">";
    jobs.get_mut(&slug(&long)).unwrap().job.description =
        Some(format!("{hostile} 長い説明 {}", "w".repeat(300)));
    let title = Some("Acme batch jobs バッチ".into());
    world.config.publish = Some(PublishOptions { url: url(place), title, every: PublishOptions::EVERY });
    world.roll_call("00:05").await;
    for minute in (10..400).step_by(10) {
        let time = format!("{:02}:{:02}", minute / 60, minute % 60);
        let kind = if minute % 70 == 0 { FAILED } else { Kind::Success };
        if !(200..260).contains(&minute) {
            world.ends("backup", &time, kind).await;
        }
        if minute < 330 {
            world.ends("import", &time, Kind::Success).await;
        }
        world.roll_call(&time).await;
    }
    world.ends("import", "06:35", FAILED).await;
    world.ends("nightly-report", "06:36", Kind::Start).await;
    let report = world.roll_call("06:39").await;
    assert_eq!(report.warnings, [""; 0]);
}

#[tokio::test]
#[ignore = "needs Chromium; run by ./test"]
async fn the_page_fits_and_can_be_read() {
    let browser = Browser::with_pages().await;
    for dark in [false, true] {
        let found = browser.look(dark);
        assert_eq!(found.len(), 8);
        for frame in found {
            assert_eq!(frame["overflow"], 0, "{frame}");
            assert_eq!(frame["outside"], Value::Array(Vec::new()), "{frame}");
            assert_eq!(frame["dark"], dark, "{frame}");
            assert_eq!(frame["styled"], "1152px", "the policy lets the style in: {frame}");
            assert!(frame["contrast"].as_f64().unwrap() >= 4.5, "WCAG 2.2, 1.4.3: {frame}");
            assert!(frame["smallest"].as_f64().unwrap() >= 13.0, "{frame}");
            assert!(frame["bars"].as_u64().unwrap() >= 70 && frame["flat"] == 0, "{frame}");
            assert_eq!((&frame["scripts"], &frame["heading"]), (&0.into(), &1.into()), "{frame}");
            assert_eq!((&frame["headers"], &frame["labelled"]), (&true.into(), &true.into()), "{frame}");
            let language = &frame["page"].as_str().unwrap()[..2];
            assert_eq!(frame["lang"], language, "{frame}");
            let title = if language == "ja" {
                "異常のあるジョブが 3 件あります"
            } else {
                "3 jobs are down"
            };
            assert!(frame["title"].as_str().unwrap().starts_with(title), "{frame}");
        }
    }
}

#[tokio::test]
#[ignore = "needs Chromium; run by ./test"]
async fn pictures_of_the_page_show_something() {
    let browser = Browser::with_pages().await;
    let mut seen = Vec::new();
    for (language, dark, size) in [
        (Language::En, false, (1280, 900)),
        (Language::En, true, (375, 900)),
        (Language::Ja, true, (1280, 900)),
        (Language::Ja, false, (375, 900)),
    ] {
        let picture = browser.picture(language, dark, size);
        let side = |at: usize| u32::from_be_bytes(picture[at..at + 4].try_into().unwrap());
        assert_eq!((side(16), side(20)), size, "the header of a PNG has its size");
        assert!(picture.len() > 20_000, "{language:?} {dark} {size:?} is almost empty: {}", picture.len());
        if let Some(place) = std::env::var_os("TENKO_PAGES").map(PathBuf::from) {
            let file = format!("{}-{}-{}.png", name(language), if dark { "dark" } else { "light" }, size.0);
            std::fs::write(place.join(file), &picture).unwrap();
        }
        assert!(!seen.contains(&picture), "no two look the same");
        seen.push(picture);
    }
}
