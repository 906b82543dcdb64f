//! `tenko serve`: the server.

mod hearing;
mod house;
mod signals;
mod supervisor;

use std::process::ExitCode;

use clap::Args;

use super::Setup;
use crate::cli::Common;
use crate::config::{Config, IpNet, ListenAt};
use crate::error::CommandError;
use crate::{config, printer, telemetry};
use house::House;
use signals::{Signals, Told};
use supervisor::Supervisor;

/// Run the server: hear pings, keep deadlines, tell people.
///
/// Everything is in the configuration, under `server`; what is said here counts in place of it. TERM and INT end it when what
/// is under way is done, a second one at once. HUP reads configuration, secrets and certificate again; where it listens
/// changes only with a new start.
#[derive(Clone, Debug, Args)]
pub struct Serve {
    /// Where to listen: ADDRESS:PORT, :PORT for all addresses, or unix:/PATH; several separated by commas
    #[arg(long, env = "TENKO_LISTEN", value_name = "ADDRESS", value_delimiter = ',', value_parser = config::listen_at)]
    listen: Vec<ListenAt>,
    /// URL under which others reach it, for ping URLs that are shown
    #[arg(long, env = "TENKO_URL", value_name = "URL", value_parser = config::public_url)]
    url: Option<url::Url>,
    /// Addresses of proxies that are believed what they say about clients, as 10.0.0.0/8; several separated by commas
    #[arg(long, env = "TENKO_TRUSTED_PROXIES", value_name = "PREFIX", value_delimiter = ',', value_parser = config::prefix)]
    trusted_proxies: Vec<IpNet>,
}

impl Serve {
    /// Does it, until it is told to stop.
    pub fn execute(self, common: &Common) -> Result<ExitCode, CommandError> {
        telemetry::init_server();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let done = runtime.block_on(self.serve(common));
        // Whatever is left waits for something that will not come.
        runtime.shutdown_background();
        done
    }

    async fn serve(&self, common: &Common) -> Result<ExitCode, CommandError> {
        let mut signals = Signals::listen()?;
        let setup = self.setup(common)?;
        let mut house = House::open(&setup).await?;
        let mut supervisor = Supervisor::find();
        supervisor.ready(&house.in_words());
        loop {
            tokio::select! {
                told = signals.next() => match told {
                    Told::Stop => break,
                    Told::Reload => self.reload(common, &mut house, &supervisor).await,
                },
                error = house.failed() => return Err(error),
                () = supervisor.turn() => supervisor.feed(house.alive().await, house.ready()),
            }
        }
        supervisor.stopping();
        tokio::select! {
            () = house.close() => Ok(ExitCode::SUCCESS),
            () = signals.again() => {
                printer::remark("told twice: what was under way is given up");
                Ok(ExitCode::FAILURE)
            }
        }
    }

    /// The configuration, with what the command line says in place of it.
    fn setup(&self, common: &Common) -> Result<Setup, CommandError> {
        let setup = Setup::load(common)?;
        setup.remark_warnings();
        let mut config = Config::clone(&setup.config);
        let server = &mut config.server;
        if !self.listen.is_empty() {
            server.listen.clone_from(&self.listen);
        }
        if !self.trusted_proxies.is_empty() {
            server.trusted_proxies.clone_from(&self.trusted_proxies);
        }
        server.url = self.url.clone().or(server.url.take());
        Ok(Setup { config: config.into(), ..setup })
    }

    async fn reload(&self, common: &Common, house: &mut House, supervisor: &Supervisor) {
        supervisor.reloading();
        let read = async {
            let setup = self.setup(common)?;
            house.furnish(&setup).await
        };
        match read.await {
            Ok(()) => printer::remark("the configuration is read again"),
            Err(error) => {
                printer::complain(&error);
                printer::remark("the configuration that was read before stays in force");
            }
        }
        supervisor.ready(&house.in_words());
    }
}
