//! tenko
