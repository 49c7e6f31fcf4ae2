//! Where the members of a cluster live: on this machine as it is, or in a place of their own with networks that
//! can be cut and drives that can be filled.
//!
//! Must not know: what members do.

use std::path::Path;
use std::process::Command;

use super::ClusterShape;
use crate::namespace::Namespace;

/// The network of the clients of gateways.
const CLIENTS: &str = "clients";
/// What is left of a small drive is taken up by this file.
const BALLOON: &str = "balloon";

/// Where they live.
pub(super) struct World {
    namespace: Option<Namespace>,
    is_apart: bool,
}

/// Where one of them lives.
pub(super) struct Network {
    /// Its network; none if it is on loopback with all others.
    pub(super) name: Option<String>,
    /// Its address.
    pub(super) host: String,
}

impl World {
    /// Makes what the shape needs; an error says what is not allowed here.
    pub(super) fn make(shape: ClusterShape) -> Result<Self, String> {
        let needs_namespace = shape.is_apart || shape.drive_mib.is_some();
        let namespace = if needs_namespace { Some(Namespace::open(shape.is_apart)?) } else { None };
        let world = Self { namespace, is_apart: shape.is_apart };
        if world.is_apart {
            world.namespace().run("ip link add hub type bridge; ip link set hub up");
            world.network(CLIENTS, 253);
        }
        Ok(world)
    }

    fn namespace(&self) -> &Namespace {
        self.namespace.as_ref().expect("a place of their own")
    }

    /// A member's network, joined to all others; or loopback.
    pub(super) fn network(&self, name: &str, number: usize) -> Network {
        if !self.is_apart {
            return Network { name: None, host: "127.0.0.1".to_owned() };
        }
        let host = format!("10.77.0.{}", number + 1);
        self.namespace().run(&format!(
            "ip netns add {name}
             ip link add v-{name} type veth peer name eth0 netns {name}
             ip link set v-{name} master hub up
             ip -n {name} addr add {host}/24 dev eth0
             ip -n {name} link set lo up
             ip -n {name} link set eth0 up"
        ));
        let table = "nft add table inet cuts; nft add chain inet cuts in '{ type filter hook input priority 0; }'";
        self.namespace().run_in(Some(name), table).unwrap();
        Network { name: Some(name.to_owned()), host }
    }

    /// A program where a member lives.
    pub(super) fn command(&self, network: &Network, program: &Path) -> Command {
        let prefix =
            self.namespace.as_ref().map(|namespace| namespace.prefix(network.name.as_deref())).unwrap_or_default();
        let mut words = prefix.into_iter().chain([program.to_string_lossy().into_owned()]);
        let mut command = Command::new(words.next().unwrap());
        command.args(words);
        command
    }

    /// What goes before the command of a client, whose folder is lost on the way into another place.
    pub(super) fn client_prefix(&self, folder: &Path) -> Vec<String> {
        if !self.is_apart {
            return Vec::new();
        }
        let mut prefix = self.namespace().prefix(Some(CLIENTS));
        prefix.extend(["env".to_owned(), format!("--chdir={}", folder.display())]);
        prefix
    }

    /// Whether a URL answers with success where a member lives.
    pub(super) fn answers(&self, network: &Network, url: &str) -> bool {
        self.namespace().run_in(network.name.as_deref(), &format!("curl --silent --fail --max-time 5 {url}")).is_ok()
    }

    /// Loses what some send to others: it is dropped where it arrives, so that the senders learn nothing.
    pub(super) fn block(&self, from: &[&Network], to: &[&Network]) {
        let senders: Vec<&str> = from.iter().map(|network| network.host.as_str()).collect();
        let rule = format!("nft add rule inet cuts in ip saddr '{{ {} }}' drop", senders.join(", "));
        for network in to {
            self.namespace().run_in(network.name.as_deref(), &rule).unwrap();
        }
    }

    /// Lets everything in again.
    pub(super) fn heal(&self, network: &Network) {
        self.namespace().run_in(network.name.as_deref(), "nft flush chain inet cuts in").unwrap();
    }

    /// Makes a folder a small file system of its own.
    pub(super) fn mount(&self, folder: &Path, mib: u32) {
        let folder = folder.display();
        self.namespace().run(&format!("mkdir -p {folder}; mount -t tmpfs -o size={mib}m none {folder}"));
    }

    /// Leaves only so many MiB of a small file system.
    pub(super) fn fill(&self, folder: &Path, left_mib: u32) {
        let folder = folder.display();
        self.namespace().run(&format!(
            "free=$(df --output=avail -m {folder} | tail -n 1)
             fallocate -l $((free - {left_mib}))M {folder}/{BALLOON}"
        ));
    }

    /// Gives the space back.
    pub(super) fn unfill(&self, folder: &Path) {
        self.namespace().run(&format!("rm -f {}/{BALLOON}", folder.display()));
    }
}
