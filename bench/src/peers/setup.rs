//! Writes the configuration of each proxy, set up as well as its documentation allows for this load.
//!
//! What is asked of all of them: keep-alive on both sides, no limit that the load would meet, no log, a member by the
//! source's address, `X-Forwarded-For`, and one thread for each worker.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::peer::{FEW, Found, PIPELINE, Peer};
use super::scenario::Mode;
use crate::failure::Failure;
use crate::program::Folder;

/// More clients than any scenario has.
const MOST_CLIENTS: usize = 12_000;
/// nginx needs two connections for each client, and some for itself.
const NGINX_CONNECTIONS: usize = 19_900;
/// The connections of Envoy to the cluster. Requests wait for one, which was measured to be faster than no limit.
const ENVOY_CONNECTIONS: u32 = 32;
/// The connections of Caddy to each member. Without a limit, 10,000 clients take it to the limit on descriptors.
const CADDY_CONNECTIONS: u32 = 64;

/// What a proxy has to do.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) mode: Mode,
    pub(crate) listen: SocketAddr,
    /// Where the members listen: `ADDRESS:PORT` or `unix:PATH`.
    pub(crate) members: Vec<String>,
    pub(crate) workers: usize,
    /// The most connections to each member, where the scenario limits them.
    pub(crate) links: Option<u32>,
    /// Lines of YAML for penstock's listener and backend, for ladders that turn an option.
    pub(crate) extra: [&'static str; 2],
}

impl Setup {
    /// Writes the configuration of a proxy, and returns the command that starts it.
    pub(crate) fn command(&self, found: &Found, folder: &Folder) -> Result<Command, Failure> {
        let mut command = Command::new(&found.program);
        let path = folder.path();
        match found.peer {
            Peer::Direct => {}
            Peer::Penstock | Peer::Pipelined | Peer::Before => {
                let text = self.penstock(found.peer == Peer::Pipelined);
                command.args(["run", "--config"]).arg(folder.write("penstock.yaml", &text)?);
            }
            Peer::Haproxy | Peer::HaproxyFew => {
                let text = self.haproxy(found.peer == Peer::HaproxyFew);
                command.args(["-db", "-q", "-f"]).arg(folder.write("haproxy.cfg", &text)?);
            }
            Peer::Nginx => {
                command.arg("-p").arg(path).arg("-c").arg(folder.write("nginx.conf", &self.nginx(path))?);
            }
            Peer::Envoy => {
                command.arg("-c").arg(folder.write("envoy.json", &self.envoy().to_string())?);
                command.args([
                    "--concurrency",
                    &self.workers.to_string(),
                    "--disable-hot-restart",
                    "-l",
                    "error",
                ]);
            }
            Peer::Caddy => {
                command.args(["run", "--config"]).arg(folder.write("caddy.json", &self.caddy().to_string())?);
                command.env("GOMAXPROCS", self.workers.to_string());
                for home in ["HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"] {
                    command.env(home, path);
                }
            }
            Peer::Pingora => {
                let mode = if self.mode == Mode::Http { "http" } else { "tcp" };
                command.args([mode, &self.listen.to_string(), &self.workers.to_string()]).args(&self.members);
            }
            Peer::Twemproxy => {
                command.arg("-c").arg(folder.write("nutcracker.yaml", &self.twemproxy())?);
                command.args(["-s", "0", "-m", "16384"]);
            }
        }
        Ok(command)
    }

    fn penstock(&self, pipelined: bool) -> String {
        let protocol = match self.mode {
            Mode::Http => "http",
            Mode::Tcp => "tcp",
            Mode::Lines => "lines",
            Mode::Resp => "resp",
        };
        let framing = if self.mode == Mode::Lines { "    framing: { terminator: lf }\n" } else { "" };
        let most = self.links.map(|most| format!("max_per_member: {most}"));
        let depth = pipelined.then(|| format!("pipeline: {PIPELINE}"));
        let options: Vec<_> = most.into_iter().chain(depth).collect();
        let links = match options.as_slice() {
            [] => String::new(),
            options => format!("    links: {{ {} }}\n", options.join(", ")),
        };
        let mut members = String::new();
        for (name, member) in ('a'..='z').zip(&self.members) {
            let _ = writeln!(members, "      {name}: \"{member}\"");
        }
        let (workers, listen, [listener, backend]) = (self.workers, self.listen, self.extra);
        format!(
            "admin: off\nworkers: {workers}\nlisteners:\n  bench:\n    bind: {listen}\n    protocol: {protocol}\n    \
             backend: app\n{framing}{listener}backends:\n  app:\n{links}{backend}    members:\n{members}"
        )
    }

    /// By default HAProxy stops pooling once a fifth of its descriptors are in use, so 10,000 clients would end reuse.
    fn haproxy(&self, few: bool) -> String {
        let http = self.mode == Mode::Http;
        let (workers, listen) = (self.workers, self.listen);
        let mut text = format!(
            "global\n  nbthread {workers}\n  no strict-limits\n  maxconn {MOST_CLIENTS}\n  \
             tune.pool-low-fd-ratio 95\n  tune.pool-high-fd-ratio 98\ndefaults\n  mode {}\n  timeout connect 10s\n  \
             timeout client 1h\n  timeout server 1h\n  timeout http-keep-alive 1h\n  timeout queue 60s\n  \
             maxconn {MOST_CLIENTS}\nfrontend f\n  bind {listen} backlog 65535\n  default_backend b\nbackend b\n  \
             balance source\n  hash-type consistent\n",
            if http { "http" } else { "tcp" },
        );
        if http {
            text.push_str("  option forwardfor\n  http-reuse always\n");
        }
        // Where clients share connections, HAProxy may open as many as it likes; a relay of lines must not meet the service's limit.
        let most = if few { Some(FEW) } else { self.links.filter(|_| self.mode == Mode::Lines) };
        let limit = most.map_or(String::new(), |most| format!(" maxconn {most}"));
        let pool = if http { " pool-max-conn -1 pool-purge-delay 1h" } else { "" };
        for (number, member) in self.members.iter().enumerate() {
            let _ = writeln!(text, "  server s{number} {member}{pool}{limit}");
        }
        text
    }

    fn nginx(&self, folder: &Path) -> String {
        let (workers, listen, folder) = (self.workers, self.listen, folder.display());
        let servers: String =
            self.members.iter().map(|member| format!(" server {member} max_fails=0;")).collect();
        let head = format!(
            "daemon off; user root; worker_processes {workers}; pid {folder}/nginx.pid; error_log {folder}/nginx.err crit;\n\
             events {{ worker_connections {NGINX_CONNECTIONS}; multi_accept on; accept_mutex off; }}\n"
        );
        if self.mode != Mode::Http {
            let module = Path::new("/usr/lib/nginx/modules/ngx_stream_module.so");
            let load =
                if module.exists() { format!("load_module {};\n", module.display()) } else { String::new() };
            return format!(
                "{load}{head}stream {{\n  upstream b {{ hash $remote_addr consistent;{servers} }}\n  server {{\n    \
                 listen {listen} backlog=65535 reuseport; proxy_pass b; proxy_timeout 1h;\n    \
                 proxy_connect_timeout 10s; proxy_buffer_size 16k; tcp_nodelay on;\n  }}\n}}\n"
            );
        }
        let mut paths = String::new();
        for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
            let _ = write!(paths, " {kind}_temp_path {folder}/{kind};");
        }
        format!(
            "{head}http {{\n  access_log off; server_tokens off; tcp_nodelay on; tcp_nopush on;{paths}\n  \
             keepalive_timeout 1h; keepalive_requests 2000000000; keepalive_time 24h;\n  \
             client_body_buffer_size 128k; client_max_body_size 64m;\n  upstream b {{\n    \
             hash $remote_addr consistent;{servers}\n    keepalive 20000; keepalive_requests 2000000000; \
             keepalive_timeout 1h; keepalive_time 24h;\n  }}\n  server {{\n    listen {listen} backlog=65535 \
             reuseport;\n    location / {{\n      proxy_pass http://b; proxy_http_version 1.1; \
             proxy_set_header Connection \"\";\n      proxy_set_header Host $http_host; \
             proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n      proxy_buffer_size 8k; \
             proxy_buffers 16 32k; proxy_busy_buffers_size 64k; proxy_max_temp_file_size 0;\n    }}\n  }}\n}}\n"
        )
    }

    fn envoy(&self) -> Value {
        let kind = |name: &str| format!("type.googleapis.com/envoy.{name}");
        let http = self.mode == Mode::Http;
        let endpoints: Vec<Value> = self
            .members
            .iter()
            .map(|member| json!({ "endpoint": { "address": socket_address(member) } }))
            .collect();
        let most = if http { ENVOY_CONNECTIONS } else { 1_000_000 };
        let limits =
            json!({ "max_connections": most, "max_pending_requests": 1_000_000, "max_requests": 1_000_000 });
        let mut cluster = json!({
            "name": "b", "type": "STATIC", "lb_policy": "MAGLEV", "connect_timeout": "10s",
            "circuit_breakers": { "thresholds": [limits] },
            "load_assignment": { "cluster_name": "b", "endpoints": [{ "lb_endpoints": endpoints }] },
        });
        let filter = if http {
            let options = "extensions.upstreams.http.v3.HttpProtocolOptions";
            cluster["typed_extension_protocol_options"] = json!({ (format!("envoy.{options}")): {
                "@type": kind(options), "common_http_protocol_options": { "idle_timeout": "3600s" },
                "explicit_http_config": { "http_protocol_options": {} },
            }});
            let route = json!({ "cluster": "b", "timeout": "0s",
                "hash_policy": [{ "connection_properties": { "source_ip": true } }] });
            json!({ "name": "hcm", "typed_config": {
                "@type": kind("extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"),
                "stat_prefix": "h", "codec_type": "HTTP1", "use_remote_address": true, "generate_request_id": false,
                "common_http_protocol_options": { "idle_timeout": "3600s" }, "stream_idle_timeout": "0s",
                "route_config": { "name": "r", "virtual_hosts": [{ "name": "v", "domains": ["*"],
                    "routes": [{ "match": { "prefix": "/" }, "route": route }] }] },
                "http_filters": [{ "name": "router", "typed_config": {
                    "@type": kind("extensions.filters.http.router.v3.Router"),
                    "dynamic_stats": false, "suppress_envoy_headers": true } }],
            }})
        } else {
            json!({ "name": "tcp", "typed_config": {
                "@type": kind("extensions.filters.network.tcp_proxy.v3.TcpProxy"),
                "stat_prefix": "t", "cluster": "b", "idle_timeout": "3600s", "hash_policy": [{ "source_ip": {} }],
            }})
        };
        json!({
            "static_resources": {
                "listeners": [{ "name": "l", "address": socket_address(&self.listen.to_string()),
                    "tcp_backlog_size": 65535, "enable_reuse_port": true, "filter_chains": [{ "filters": [filter] }] }],
                "clusters": [cluster],
            },
            "stats_config": { "stats_matcher": { "reject_all": true } },
        })
    }

    fn caddy(&self) -> Value {
        let members: Vec<Value> = self.members.iter().map(|member| json!({ "dial": member })).collect();
        let handler = json!({
            "handler": "reverse_proxy", "upstreams": members,
            "load_balancing": { "selection_policy": { "policy": "ip_hash" } },
            "transport": { "protocol": "http", "compression": false, "versions": ["1.1"],
                "max_conns_per_host": CADDY_CONNECTIONS,
                "keep_alive": { "enabled": true, "idle_timeout": "1h", "max_idle_conns": 100_000,
                    "max_idle_conns_per_host": 50_000 } },
        });
        json!({
            "admin": { "disabled": true, "config": { "persist": false } },
            "logging": { "logs": { "default": { "level": "ERROR" } } },
            "apps": { "http": { "servers": { "s": {
                "listen": [self.listen.to_string()], "protocols": ["h1"], "automatic_https": { "disable": true },
                "idle_timeout": "1h", "routes": [{ "handle": [handler] }],
            }}}},
        })
    }

    fn twemproxy(&self) -> String {
        let connections = self.links.unwrap_or(1);
        let servers: String = self.members.iter().map(|member| format!("  - {member}:1\n")).collect();
        format!(
            "bench:\n  listen: {}\n  redis: true\n  hash: fnv1a_64\n  distribution: ketama\n  \
             server_connections: {connections}\n  preconnect: true\n  servers:\n{servers}",
            self.listen
        )
    }
}

/// Returns `ADDRESS:PORT` as Envoy writes it.
fn socket_address(written: &str) -> Value {
    let (address, port) = written.rsplit_once(':').unwrap_or((written, "0"));
    json!({ "socket_address": { "address": address, "port_value": port.parse().unwrap_or(0) } })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setup(mode: Mode) -> Setup {
        let members = vec!["127.0.0.1:1".to_owned(), "127.0.0.1:2".to_owned()];
        Setup {
            mode,
            listen: ([127, 0, 0, 1], 9).into(),
            members,
            workers: 2,
            links: Some(8),
            extra: [""; 2],
        }
    }

    #[test]
    fn each_configuration_names_listener_members_and_limit() {
        let folder = Path::new("/there");
        let http = setup(Mode::Http);
        for text in [http.penstock(false), http.haproxy(false), http.nginx(folder), http.caddy().to_string()]
        {
            for part in ["127.0.0.1:9", "127.0.0.1:1", "127.0.0.1:2"] {
                assert!(text.contains(part), "{part} is missing in\n{text}");
            }
        }
        assert!(http.penstock(false).contains("links: { max_per_member: 8 }"));
        assert!(http.penstock(true).contains("links: { max_per_member: 8, pipeline: 32 }"));
        assert!(!http.haproxy(false).contains("maxconn 8\n"));
        assert!(setup(Mode::Lines).haproxy(false).contains("maxconn 8\n"));
        assert!(http.haproxy(true).contains("maxconn 32\n"));
        let envoy = http.envoy();
        let listener = &envoy["static_resources"]["listeners"][0];
        assert_eq!(listener["address"]["socket_address"]["port_value"], 9);
    }

    #[test]
    fn tcp_is_relayed_and_not_read() {
        let tcp = setup(Mode::Tcp);
        assert!(tcp.haproxy(false).contains("mode tcp") && !tcp.haproxy(false).contains("http-reuse"));
        assert!(tcp.nginx(Path::new("/there")).contains("stream {"));
        assert!(tcp.penstock(false).contains("protocol: tcp"));
        assert!(setup(Mode::Lines).penstock(false).contains("terminator: lf"));
        assert!(setup(Mode::Resp).twemproxy().contains("server_connections: 8"));
    }
}
