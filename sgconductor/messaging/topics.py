"""Names that both ends of the message bus agree on."""

# An exchange of our own, so that members find the conductor whatever
# control_exchange their project has set.
EXCHANGE = 'sgconductor'
RPC_TOPIC = 'sgconductor'
PINS_TOPIC = 'sgconductor-pins'
BEATS_TOPIC = 'sgconductor-beats'
# The event type of a beat.
BEAT = 'service.beat'
