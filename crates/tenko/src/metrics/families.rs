//! Writing one family of metrics after the other.

use std::fmt::Error;

use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use crate::server::status::{Histogram, Scale};

type Done = Result<(), Error>;
type NoExemplar<'a> = Option<&'a prometheus_client::metrics::exemplar::Exemplar<NoLabelSet, f64>>;

/// Writes families.
#[derive(Debug)]
pub(super) struct Families<'a>(pub(super) DescriptorEncoder<'a>);

/// A label and its value.
pub(super) type Label<'a> = (&'static str, &'a str);

impl Families<'_> {
    /// A number that only grows.
    pub(super) fn counter(&mut self, name: &str, help: &str, number: u64) -> Done {
        let mut encoder = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        encoder.encode_counter(&number, NoExemplar::None)
    }

    /// Numbers that only grow, by labels.
    pub(super) fn counters<'l, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        numbers: impl IntoIterator<Item = ([Label<'l>; N], u64)>,
    ) -> Done {
        let mut encoder = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, number) in numbers {
            encoder.encode_family(&labels)?.encode_counter(&number, NoExemplar::None)?;
        }
        Ok(())
    }

    /// A number that may fall.
    pub(super) fn gauge(&mut self, name: &str, help: &str, unit: Option<&Unit>, number: f64) -> Done {
        self.0.encode_descriptor(name, help, unit, MetricType::Gauge)?.encode_gauge(&number)
    }

    /// Numbers that may fall, by labels.
    pub(super) fn gauges<'l, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        numbers: impl IntoIterator<Item = ([Label<'l>; N], f64)>,
    ) -> Done {
        let mut encoder = self.0.encode_descriptor(name, help, unit, MetricType::Gauge)?;
        for (labels, number) in numbers {
            encoder.encode_family(&labels)?.encode_gauge(&number)?;
        }
        Ok(())
    }

    /// How many values were how large.
    pub(super) fn histogram<S: Scale>(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        histogram: &Histogram<S>,
    ) -> Done {
        let (at_most, all) = (histogram.at_most(), histogram.count());
        let mut before = 0;
        let mut buckets: Vec<(f64, u64)> = Vec::with_capacity(at_most.len() + 1);
        for (bound, count) in S::BOUNDS.into_iter().zip(at_most) {
            buckets.push((bound, count.saturating_sub(before)));
            before = before.max(count);
        }
        buckets.push((f64::INFINITY, all.saturating_sub(before)));
        let mut encoder = self.0.encode_descriptor(name, help, unit, MetricType::Histogram)?;
        encoder.encode_histogram::<NoLabelSet>(histogram.sum(), all.max(before), &buckets, None)
    }

    /// Facts that are labels.
    pub(super) fn info<const N: usize>(&mut self, name: &str, help: &str, labels: [Label<'_>; N]) -> Done {
        self.0.encode_descriptor(name, help, None, MetricType::Info)?.encode_info(&labels)
    }
}

/// A count as a number with a point, which is what gauges are.
#[expect(clippy::cast_precision_loss, reason = "nobody counts that far")]
pub(super) fn float(count: u64) -> f64 {
    count as f64
}
