//! Finds mistakes before any load: a limit that is too low, an address that does not answer, a wrong protocol.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use penstock_bench::{Errors, Plan, Protocol, Report, Stop, Work, raise_descriptor_limit, run};

use crate::failure::Failure;

/// The number of descriptors that the process needs besides its clients' sockets.
const OTHER_DESCRIPTORS: u64 = 64;
/// The longest wait for an answer while nothing else is in flight.
const PATIENCE: Duration = Duration::from_secs(5);

/// Raises the limit on open files, and checks that it is enough for so many clients.
pub(crate) fn check_descriptors(clients: usize) -> Result<(), Failure> {
    let limit = raise_descriptor_limit()
        .map_err(|error| Failure::Machine(format!("limit on open files: {error}")))?;
    let needed = (clients as u64).saturating_add(OTHER_DESCRIPTORS);
    if needed > limit {
        return Err(Failure::Machine(format!(
            "{clients} clients need {needed} open files, and the hard limit is {limit}; raise it with ulimit -Hn or \
             LimitNOFILE, or use fewer clients"
        )));
    }
    Ok(())
}

/// Makes one exchange as the plan says, on a connection of its own.
pub(crate) fn check_server(plan: &Plan) -> Result<(), Failure> {
    connect(plan.to, plan.timeout.min(PATIENCE))?;
    let first = match &plan.work {
        Work::Mixed(parts) => parts.iter().find(|(weight, _)| *weight > 0).map(|(_, work)| work.clone()),
        work => Some(work.clone()),
    };
    let Some(work) = first else {
        return Err(Failure::Arguments("a mix without any part".to_owned()));
    };
    let one = Plan {
        clients: 1,
        sources: plan.sources.iter().take(1).copied().collect(),
        work,
        stop: Stop::Requests(1),
        timeout: plan.timeout.min(PATIENCE),
        seed: plan.seed,
        protocol: plan.protocol,
        refusal: plan.refusal.clone(),
        may_forget: plan.may_forget,
        ..Plan::new(plan.to)
    };
    let report = run(&one).map_err(|error| Failure::Arguments(error.to_string()))?;
    complaint(&one, &report).map_or(Ok(()), |words| Err(Failure::Server(format!("{}: {words}", plan.to))))
}

fn connect(to: SocketAddr, patience: Duration) -> Result<(), Failure> {
    let Err(error) = TcpStream::connect_timeout(&to, patience) else { return Ok(()) };
    let words = match error.kind() {
        ErrorKind::ConnectionRefused => {
            "nothing listens there (connection refused); start the server, or correct the address".to_owned()
        }
        ErrorKind::TimedOut => {
            format!(
                "no answer to a connect within {patience:?}; is a firewall between, or the address wrong?"
            )
        }
        _ => format!("{error}; correct the address"),
    };
    Err(Failure::Server(format!("{to}: {words}")))
}

/// Returns what is wrong with the only exchange of a report.
fn complaint(plan: &Plan, report: &Report) -> Option<String> {
    let protocol = match plan.protocol {
        Protocol::Http => "HTTP/1.1",
        Protocol::Lines { .. } => "lines",
        Protocol::LengthPrefixed(_) => "length-prefixed frames",
        Protocol::Resp => "RESP",
        Protocol::Echo => "an echo",
    };
    let asked = match &plan.work {
        Work::Get(path) => format!("GET {path}"),
        Work::Literal(literal) => literal.name.clone(),
        _ => "the request".to_owned(),
    };
    let first = report.first_errors.first().map_or("", String::as_str);
    let status = report.by_class.iter().position(|count| *count > 0).map_or(0, |class| class + 1);
    match report.errors {
        Errors { timeout: 1.., .. } => {
            Some(format!("no whole answer within {:?}; does it speak {protocol}?", plan.timeout))
        }
        Errors { bad_answer: 1.., .. } | Errors { surplus: 1.., .. } => {
            Some(format!("the answer is not {protocol} ({first}); choose another --protocol"))
        }
        Errors { wrong_answer: 1.., .. } => Some(format!("the answer to {asked} is wrong ({first})")),
        errors if errors.lost() > 0 => {
            Some(format!("the connection ended without an answer ({first}); does it speak {protocol}?"))
        }
        errors if errors.connect > 0 => Some(format!("a connection could not be made ({first})")),
        _ if report.mix_ups > 0 => Some(format!("the answer belongs to another request ({first})")),
        _ if status == 2 => None,
        _ if plan.protocol == Protocol::Http => Some(format!(
            "the answer to {asked} has a status of {status}xx; choose a path with an answer of 2xx"
        )),
        _ => Some("the server refuses the request".to_owned()),
    }
}
