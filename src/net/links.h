// A member of an intrusive, circular list: joined and left in constant time, without memory.
#pragma once

namespace tollgate::net {

struct Link {
  Link* previous = this;
  Link* next = this;

  Link() = default;
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;
  ~Link() { unlink(); }

  bool linked() const { return next != this; }

  void unlink() {
    previous->next = next;
    next->previous = previous;
    previous = next = this;
  }

  // Joins the list that `head` is of, as its last. Leaves another list first.
  void join(Link& head) {
    unlink();
    previous = head.previous;
    next = &head;
    previous->next = this;
    head.previous = this;
  }

  // Takes all members of `from` over; both are heads.
  void take_all(Link& from) {
    if (!from.linked()) return;
    from.next->previous = previous;
    from.previous->next = this;
    previous->next = from.next;
    previous = from.previous;
    from.previous = from.next = &from;
  }
};

// Something that the loop runs once, after the events of a turn are told.
class Runnable : public Link {
 public:
  virtual void run() = 0;

 protected:
  ~Runnable() = default;
};

}  // namespace tollgate::net
