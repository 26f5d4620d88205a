#!/bin/sh
# Three hosts on a bridge of the machine's: the lab that kills compares, by a person who is careful.
set -eu
cleanup() {
	trap - EXIT INT TERM
	for i in 1 2 3; do
		ip netns del h$i 2>/dev/null || :
		ip link del s1-eth$i 2>/dev/null || :
	done
	ip link del s1 2>/dev/null || :
	sysctl -qw net.ipv4.ip_forward="$forward"
}
echo begin
forward=$(sysctl -n net.ipv4.ip_forward)
trap cleanup EXIT INT TERM
sysctl -qw net.ipv4.ip_forward=1
ip link add s1 type bridge
ip link set s1 mtu 1400
ip link set s1 up
ip addr add 10.9.0.254/24 dev s1
ip addr add fd09::fe/64 dev s1 nodad
for i in 1 2 3; do
	ip netns add h$i
	ip -n h$i link set lo up
	ip link add s1-eth$i type veth peer name h$i-eth0 netns h$i
	ip link set s1-eth$i mtu 1400
	ip link set s1-eth$i master s1
	ip link set s1-eth$i up
	ip -n h$i link set h$i-eth0 mtu 1400
	ip -n h$i link set h$i-eth0 up
	ip -n h$i addr add 10.9.0.$i/24 dev h$i-eth0
	ip -n h$i route add default via 10.9.0.254
done
