//! Says with the crate `healthchecks` what it can say: start, success and fail, with an id of the run and without.
//! Arguments: the URL before the address, the address, the id.

use healthchecks::ping::get_client_with_url;
use uuid::Uuid;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, address, rid] = &arguments[..] else { panic!("three arguments") };
    let client = get_client_with_url(address, url).expect("a client");
    let rid: Uuid = rid.parse().expect("a UUID");
    assert!(client.start_timer_with_run_id(Some(&rid)));
    assert!(client.report_success_with_run_id(Some(&rid)));
    assert!(client.start_timer());
    assert!(client.report_failure());
    assert!(client.report_failure_with_logs("what it printed"));
}
