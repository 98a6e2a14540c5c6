package seal

// A payload that was sealed once, with keyA: a change here means that tasks in somebody's Redis do not
// open any more.
const (
	goldenKey  = "edd8f3f5"
	goldenData = "miacsY0TRsMQetHSGYsyQ526/L9YfPFx2ZGuUdWZR/wIyjgNhobUxeFczchawceOv+rWZfTKRdqMdNWk7QHQH4+HwIdITzv5viKuMQliNN3W8B" +
		"iqjFGMq/WdkLzzsZvoLQ6eD4LZhmPIZNNZgIzYsKMEERmls+3UsJC/tkh78U9zouv3IyVSJMwfdWSuHmRT6V+b3nUMGOJf990XvfdUoeSQH9qz" +
		"UZofXh1+DOL2u3AuP8nBUtpUXENYAGvz79zhIzJ01wdz952L5mo4FOi06te8bdCq5dJNUZdFTY6hn4v8H0MrYaOKN2AymkXTvInfsCkOw1H7A5" +
		"980vrxu1P1PWAquVv49ByJTw6mAKJ1yBb0aRPQKrMzk+cv70JLxoioldgI2P0BMOaui1NiQFLLI/JfK0unNJ2liuL5amKBxA=="
)
