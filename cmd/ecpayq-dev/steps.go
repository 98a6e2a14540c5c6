package main

import (
	"context"
	"errors"
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
)

func triggerOf(tsr string, days int) *tasks.B2CTriggerIssue {
	return &tasks.B2CTriggerIssue{
		MerchantID: merchantID, Tsr: tsr,
		RelateNumber: tsr, DelayDay: &days,
	}
}

func voidOf(number string) *tasks.B2BInvalid {
	return &tasks.B2BInvalid{MerchantID: merchantID, InvoiceNumber: number, InvoiceDate: invoiceDate, Reason: "訂單取消"}
}

// steps is the tour.
func steps() []step { return append(operations(), troubles()...) }

func done(effect string) want {
	return want{state: record.StateCompleted, kind: ecpay.OK, attempts: 1, effect: effect}
}

// operations are carried out at the first attempt.
func operations() []step {
	return []step{
		{
			title: "trigger at once", zh: "觸發後立即開立",
			why:     "A buyer has paid. The invoice, staged at checkout with DelayDay 0, is to be issued now.",
			command: "ecpayq enqueue b2c-trigger-issue --merchant-id 2000132 --tsr TOUR0001 --relate-number TOUR0001 --delay-day 0",
			payload: triggerOf("TOUR0001", 0), want: done(ecpaytest.EffectIssued),
		},
		{
			title: "the same once more", zh: "重複送入同一意圖",
			why:     "The shop's code runs twice after the payment. The id is made from what is asked for, so nothing is stored again.",
			command: "ecpayq enqueue b2c-trigger-issue --merchant-id 2000132 --tsr TOUR0001 --relate-number TOUR0001 --delay-day 0",
			payload: triggerOf("TOUR0001", 0), want: done(""),
			before: func(ctx context.Context, t *tour) error {
				r, err := t.client.Enqueue(ctx, triggerOf("TOUR0001", 0))
				if err == nil && !r.Duplicate {
					return errors.New("the second enqueue was not recognised")
				}
				return err
			},
		},
		{
			title: "trigger with delay", zh: "觸發後延遲開立",
			why:     "The same with DelayDay 3: ECPay answers 4000003, scheduled, and issues in three days.",
			command: "ecpayq enqueue b2c-trigger-issue --merchant-id 2000132 --tsr TOUR0002 --relate-number TOUR0002 --delay-day 3",
			payload: triggerOf("TOUR0002", 3), want: done(ecpaytest.EffectScheduled),
		},
		{
			title: "cancel before issue", zh: "開立前取消",
			why:     "The buyer changed their mind before the invoice was issued.",
			command: "ecpayq enqueue b2c-cancel-delay-issue --merchant-id 2000132 --tsr TOUR0003",
			payload: &tasks.B2CCancelDelayIssue{MerchantID: merchantID, Tsr: "TOUR0003"},
			want:    done(ecpaytest.EffectCancelled),
		},
		{
			title: "void", zh: "作廢 B2B 發票",
			why:     "A B2B invoice was wrong. In exchange mode the void waits for the counterparty.",
			command: "ecpayq enqueue b2b-invalid --merchant-id 2000132 --invoice-number VG11000001 --invoice-date " + invoiceDate + " --reason 訂單取消",
			payload: voidOf("VG11000001"), want: done(ecpaytest.EffectVoided),
		},
		{
			title: "void confirm", zh: "確認作廢",
			why:     "The counterparty confirms the void that it received.",
			command: "ecpayq enqueue b2b-invalid-confirm --merchant-id 2000132 --invoice-number VG11000001 --invoice-date " + invoiceDate,
			payload: &tasks.B2BInvalidConfirm{MerchantID: merchantID, InvoiceNumber: "VG11000001", InvoiceDate: invoiceDate},
			want:    done(ecpaytest.EffectVoidConfirmed),
		},
		{
			title: "allowance query", zh: "查詢折讓確認",
			why:     "Has the counterparty confirmed an allowance? The answer is kept with the task.",
			command: "ecpayq enqueue b2b-get-allowance-confirm --merchant-id 2000132 --allowance-no " + allowanceNo,
			payload: &tasks.B2BGetAllowanceConfirm{MerchantID: merchantID, AllowanceNo: allowanceNo},
			want:    done(""),
		},
	}
}

// troubles are what ECPay and the network do to a task.
func troubles() []step {
	return []step{
		{
			title: "three failures, then success", zh: "失敗三次後成功",
			why: "The Ministry of Finance is away: ECPay answers 9000001 three times. Each attempt carries a new " +
				"timestamp and ciphertext, so none is ever too old.",
			command: "ecpayq enqueue b2c-trigger-issue --merchant-id 2000132 --tsr TOUR0004 --relate-number TOUR0004 --delay-day 0",
			payload: triggerOf("TOUR0004", 0),
			want:    want{state: record.StateCompleted, kind: ecpay.OK, attempts: 4, effect: ecpaytest.EffectIssued, stamps: 4},
			before: func(_ context.Context, t *tour) error {
				// The latency keeps two attempts from falling into one second.
				t.fake.Inject(ecpaytest.Match{Subject: "TOUR0004"},
					ecpaytest.Fault{RtnCode: 9000001, RtnMsg: "呼叫財政部API失敗", Times: 3, Latency: 1100 * time.Millisecond})
				return nil
			},
		},
		{
			title: "answer lost", zh: "回覆遺失",
			why: "ECPay issues the invoice, but the connection breaks before its answer. The worker does not send " +
				"again blindly: it asks GetIssue first.",
			command: "ecpayq enqueue b2c-trigger-issue --merchant-id 2000132 --tsr TOUR0005 --relate-number TOUR0005 --delay-day 0",
			payload: triggerOf("TOUR0005", 0),
			want:    want{state: record.StateCompleted, kind: ecpay.AlreadyDone, attempts: 2, effect: ecpaytest.EffectIssued, stamps: 1},
			before: func(_ context.Context, t *tour) error {
				t.fake.Inject(ecpaytest.Match{Subject: "TOUR0005"}, ecpaytest.Fault{Drop: true, AfterEffect: true})
				return nil
			},
		},
		{
			title: "rejected, mended, run again", zh: "遭拒、修正後重新執行",
			why: "ECPay refuses a void, since the invoice has an allowance. The task dies with ECPay's reason and " +
				"waits for a person. Once the allowance is voided at ECPay, Run on the dashboard carries it out.",
			command: "ecpayq enqueue b2b-invalid --merchant-id 2000132 --invoice-number VG11000002 --invoice-date " + invoiceDate + " --reason 訂單取消",
			payload: voidOf("VG11000002"),
			want:    want{state: record.StateCompleted, kind: ecpay.OK, attempts: 1, effect: ecpaytest.EffectVoided},
			before: func(_ context.Context, t *tour) error {
				t.fake.Inject(ecpaytest.Match{Subject: "VG11000002"}, ecpaytest.Fault{RtnCode: 5070450, RtnMsg: "該發票已被折讓過，無法直接作廢發票", Times: -1})
				return nil
			},
			after: func(ctx context.Context, t *tour) error {
				t.fake.ClearFaults() // somebody voids the allowance at ECPay
				return t.runAgain(ctx, voidOf("VG11000002"))
			},
		},
	}
}
