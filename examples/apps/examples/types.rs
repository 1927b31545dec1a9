//! Generates the front ends' types from the servers' types: `cargo run -p apps --example types`.

fn main() -> anyhow::Result<()> {
    for (channels, file) in apps::types() {
        channels.write(file)?;
    }
    Ok(())
}
