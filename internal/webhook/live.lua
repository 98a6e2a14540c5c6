-- Shared by the scripts that look at deliveries that are open.
--
-- The id of a delivery, which ends its place among them; see deliveryOf in delivery.go.
local function id_of(member) return string.sub(member, 57) end
-- Reports whether asynq still has a delivery to run: else it was delivered, given up, or a person has
-- deleted or archived it. tasks begins the keys of asynq's tasks of the queue.
local function lives(tasks, id) return asynq_will_run(tasks .. id) end
