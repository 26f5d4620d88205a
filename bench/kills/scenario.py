"""Three hosts on a bridge of the machine's: the lab that kills compares, as Mininet builds it."""
from mininet.net import Mininet
from mininet.nodelib import LinuxBridge
from mininet.util import quietRun

print("begin", flush=True)
forward = quietRun("sysctl -n net.ipv4.ip_forward").strip()
net = Mininet(switch=LinuxBridge, controller=None, ipBase="10.9.0.0/24")
try:
    quietRun("sysctl -w net.ipv4.ip_forward=1")
    s1 = net.addSwitch("s1")
    for i in (1, 2, 3):
        h = net.addHost("h%d" % i, ip="10.9.0.%d/24" % i, defaultRoute="via 10.9.0.254")
        net.addLink(h, s1)
    net.start()
    s1.cmd("ip link set s1 mtu 1400")
    s1.cmd("ip addr add 10.9.0.254/24 dev s1")
    s1.cmd("ip addr add fd09::fe/64 dev s1 nodad")
    for h in net.hosts:
        h.cmd("ip link set %s-eth0 mtu 1400" % h.name)
finally:
    net.stop()
    quietRun("sysctl -w net.ipv4.ip_forward=" + forward)
