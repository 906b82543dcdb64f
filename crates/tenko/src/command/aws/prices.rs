//! What AWS asks for: list prices without tax and discounts. The only place that knows them.
//!
//! Sources: <https://aws.amazon.com/s3/pricing/>, <https://aws.amazon.com/lambda/pricing/>,
//! <https://aws.amazon.com/eventbridge/pricing/>, <https://aws.amazon.com/cloudwatch/pricing/>. Prices change rarely, but
//! they do; the date is printed with each table.

/// The state of the table.
pub(super) const AS_OF: &str = "2025-06";
/// Where the prices can be looked up.
pub(super) const SOURCES: [&str; 4] = [
    "https://aws.amazon.com/s3/pricing/",
    "https://aws.amazon.com/lambda/pricing/",
    "https://aws.amazon.com/eventbridge/pricing/",
    "https://aws.amazon.com/cloudwatch/pricing/",
];
/// Yen for a dollar, where nobody says otherwise.
pub(super) const YEN: f64 = 150.0;

/// US dollars in one region.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prices {
    pub(super) region: &'static str,
    /// One PUT, POST or LIST (S3 Standard).
    pub(super) put: f64,
    /// One GET or HEAD.
    pub(super) get: f64,
    /// A gigabyte in S3 Standard for a month.
    pub(super) storage: f64,
    /// One call of a function.
    pub(super) call: f64,
    /// A gigabyte of memory for a second, arm64.
    pub(super) gb_second: f64,
    /// One invocation by EventBridge Scheduler.
    pub(super) invocation: f64,
    /// A gigabyte taken in by CloudWatch Logs.
    pub(super) log: f64,
    /// An alarm of one metric for a month.
    pub(super) alarm: f64,
}

/// What AWS gives to every account, each month, for ever.
pub(super) mod free {
    pub(crate) const CALLS: f64 = 1e6;
    pub(crate) const GB_SECONDS: f64 = 400e3;
    pub(crate) const INVOCATIONS: f64 = 14e6;
    pub(crate) const LOG_GB: f64 = 5.0;
    pub(crate) const ALARMS: f64 = 10.0;
}

const TOKYO: Prices = Prices {
    region: "ap-northeast-1",
    put: 0.0047e-3,
    get: 0.00037e-3,
    storage: 0.025,
    call: 0.20e-6,
    gb_second: 0.000_013_333_4,
    invocation: 1.25e-6,
    log: 0.76,
    alarm: 0.10,
};

const VIRGINIA: Prices = Prices {
    region: "us-east-1",
    put: 0.005e-3,
    get: 0.0004e-3,
    storage: 0.023,
    call: 0.20e-6,
    gb_second: 0.000_013_333_4,
    invocation: 1.00e-6,
    log: 0.50,
    alarm: 0.10,
};

/// All regions that the table has.
pub(super) const ALL: [Prices; 2] = [TOKYO, VIRGINIA];
