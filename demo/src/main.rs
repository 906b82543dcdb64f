//! Stands in for Slack: takes what is posted to it on loopback and shows it on standard output, roughly as Slack would.
//!
//! Usage: `tenko-demo FILE`. The URL to post to is written to FILE.

use std::error::Error;
use std::io::{self, BufRead as _, BufReader, Read as _, Write};
use std::net::{TcpListener, TcpStream};

use serde_json::Value;

fn main() -> Result<(), Box<dyn Error>> {
    let file = std::env::args_os().nth(1).ok_or("usage: tenko-demo FILE")?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    std::fs::write(file, format!("http://{}/services/T0/B0/demo", listener.local_addr()?))?;
    for stream in listener.incoming() {
        let body = receive(stream?)?;
        io::stdout().lock().write_all(show(&serde_json::from_slice(&body)?).as_bytes())?;
    }
    Ok(())
}

/// Reads one request, answers `ok` as Slack does, and gives its body.
fn receive(mut stream: TcpStream) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse()?;
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")?;
    Ok(body)
}

/// The text of all blocks, behind a bar.
fn show(message: &Value) -> String {
    let mut texts = Vec::new();
    collect(message.get("blocks").unwrap_or(message), &mut texts);
    let lines = texts.iter().flat_map(|text| text.lines()).map(|line| format!("  | {}\n", unescape(line)));
    format!("  +-- #ops (Slack)\n{}  +--\n", lines.collect::<String>())
}

/// Every `text` that is a string, in order.
fn collect(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, texts)),
        Value::Object(members) => {
            if let Some(Value::String(text)) = members.get("text") {
                texts.push(text.clone());
            }
            members.values().for_each(|member| collect(member, texts));
        }
        _ => {}
    }
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}
