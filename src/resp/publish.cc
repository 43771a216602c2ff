// How messages get from what happens here to the sessions that subscribed to it.
#include "resp/server.h"

namespace holdfast {

void Server::publish_event(std::string_view event, DbId db, std::string_view key) {
  (void)event;
  (void)db;
  (void)key;
}

}  // namespace holdfast
