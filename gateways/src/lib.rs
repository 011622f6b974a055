//! Market data in: file formats and the synthetic market; later brokers
