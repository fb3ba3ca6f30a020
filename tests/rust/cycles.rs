//! Opening and closing clients for long leaves nothing behind.

use steadfast::Service;
use steadfast_tests::{brisk, deserted, live, mock, open, within};

const CYCLES: usize = 60;

/// Bytes of this process in memory.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: usize = text.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or(0);
    pages * 4096
}

async fn cycle(server: &steadfast_mock_server::MockServer, service: Service, how: usize) {
    let client = open(brisk(server, service));
    let subscription = live(&client, "quiet-1").await;
    match how % 3 {
        0 => within("shutdown", client.shutdown()).await,
        1 => drop(client),
        _ => {
            let ping = client.ready();
            drop(subscription);
            within("ready", ping).await.unwrap();
            drop(client);
        }
    }
}

/// 300 clients, 60 of each service, closed in every way: tasks, sockets and memory are as before.
#[tokio::test]
async fn three_hundred_clients_leave_no_task_no_socket_and_no_memory() {
    let server = mock(&[]).await;
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let mut first = (0, 0);
    for number in 0..CYCLES {
        for service in Service::ALL {
            cycle(&server, service, number).await;
        }
        deserted(&server).await;
        if number == CYCLES / 3 {
            first = (tasks(), resident());
        }
    }
    // Close handshakes that still run have two seconds.
    within("the last tasks", async {
        while tasks() > first.0 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
    let grown = resident().saturating_sub(first.1);
    assert!(grown < 6 << 20, "memory has grown by {grown} bytes over {} clients", CYCLES * 2 / 3 * 5);
}
