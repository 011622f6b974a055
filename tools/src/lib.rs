//! The grandmodel command
